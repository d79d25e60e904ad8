/* SHA-1 and base64, as the opening handshake needs them. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define SHA1_LENGTH 20
#define BASE64_LENGTH(n) (((n) + 2) / 3 * 4)

void sha1(uint8_t digest[SHA1_LENGTH], const uint8_t *data, size_t length);
/* Writes BASE64_LENGTH(length) characters and a zero. */
void base64(char *out, const uint8_t *data, size_t length);
