// A self-signed certificate for localhost, 127.0.0.1 and ::1, valid from 2020 to 2120. Its key is public: it
// protects nothing but tests.

export const TEST_KEY: string = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQghAAGyR0zqZ0EBNCZ
guLPv9bbdA6wufhJEj7lIctXYSuhRANCAAS9YZVIR/c7wNlNpIfgT5dtx50NNu0C
NfMFVGvfibuKmYUTH1cAzaJ/aYAaWYyXMDPkpicg8H8aSAPMZIL3SKSR
-----END PRIVATE KEY-----
`

export const TEST_CERTIFICATE: string = `-----BEGIN CERTIFICATE-----
MIIBeDCCAR+gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABL1hlUhH9zvA2U2k
h+BPl23HnQ027QI18wVUa9+Ju4qZhRMfVwDNon9pgBpZjJcwM+SmJyDwfxpIA8xk
gvdIpJGjYDBeMA8GA1UdEwEB/wQFMAMBAf8wLAYDVR0RBCUwI4IJbG9jYWxob3N0
hwR/AAABhxAAAAAAAAAAAAAAAAAAAAABMB0GA1UdDgQWBBTBna9/KueizjbcZ0t1
ZFlzfq1d8TAKBggqhkjOPQQDAgNHADBEAiAdtRF1+nJrob/eKVBL/bJXGjIcJtyC
H+IsZ01jtM0HjQIgBX4ZxCpnLMgwXPiBP3vXkgeJGXM0sz1zBEO1gN5NbnQ=
-----END CERTIFICATE-----
`

/** What a server of a test is set up with. */
export const SERVER_TLS: { readonly key: string; readonly cert: string } = {
  key: TEST_KEY,
  cert: TEST_CERTIFICATE,
}

/** What a client of a test trusts. */
export const CLIENT_TLS: { readonly ca: string } = { ca: TEST_CERTIFICATE }
