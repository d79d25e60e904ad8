// The Go program that test/peers talks to, and the release of gorilla/websocket that it is built with.
module openline-peer

go 1.19

require github.com/gorilla/websocket v1.5.3
