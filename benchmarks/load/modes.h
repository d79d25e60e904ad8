/* One function per mode; each returns when it has printed its result. */
#pragma once

void echo_mode(void);
void broadcast_mode(void);
void latency_mode(void);
void open_mode(void);
void serve_mode(void);
