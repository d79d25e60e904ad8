// Go's gorilla/websocket as a peer: an echo server, and a client that expects its messages back.
// usage: gorilla server [-compress] [-level N] | client [-compress] [-level N] [-largest BYTES] URL | version

package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/gorilla/websocket"
)

// How long a client may take for all that it does.
const patience = 60 * time.Second

func main() {
	if len(os.Args) < 2 {
		fail(errors.New("say server, client or version"))
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	compress := flags.Bool("compress", false, "agree on permessage-deflate, and compress every message")
	// Level 0 stores, -2 uses Huffman codes only.
	level := flags.Int("level", 1, "how hard to compress: -2 to 9")
	largest := flags.Int("largest", sizes[len(sizes)-1], "leave larger messages of a client out")
	flags.Parse(os.Args[2:])
	var err error
	switch os.Args[1] {
	case "server":
		err = serve(*compress, *level)
	case "client":
		err = runClient(flags.Arg(0), *compress, *level, makeSeries(*largest))
	case "version":
		err = printVersion()
	default:
		err = fmt.Errorf("%q is none of server, client and version", os.Args[1])
	}
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func printVersion() error {
	build, ok := debug.ReadBuildInfo()
	if !ok || len(build.Deps) == 0 {
		return errors.New("this was built without modules")
	}
	fmt.Printf("gorilla/websocket %s, %s\n", build.Deps[0].Version, build.GoVersion)
	return nil
}

// Serve until killed, and print the port as the only line.
func serve(compress bool, level int) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	upgrader := websocket.Upgrader{
		EnableCompression: compress,
		CheckOrigin:       func(*http.Request) bool { return true },
	}
	handler := func(response http.ResponseWriter, request *http.Request) {
		connection, err := upgrader.Upgrade(response, request, nil)
		if err == nil {
			err = connection.SetCompressionLevel(level)
		}
		if err == nil {
			err = echo(connection)
		}
		if !websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseNoStatusReceived) {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	return http.Serve(listener, http.HandlerFunc(handler))
}

func echo(connection *websocket.Conn) error {
	defer connection.Close()
	for {
		kind, data, err := connection.ReadMessage()
		if err != nil {
			return err
		}
		if err := connection.WriteMessage(kind, data); err != nil {
			return err
		}
	}
}

// Send every message and await its echo, then send all at once; print what was agreed, and how many came back.
func runClient(url string, compress bool, level int, series []message) error {
	dialer := websocket.Dialer{EnableCompression: compress, HandshakeTimeout: patience}
	connection, response, err := dialer.Dial(url, nil)
	if err != nil {
		return err
	}
	defer connection.Close()
	fmt.Printf("extensions: %s\n", response.Header.Get("Sec-WebSocket-Extensions"))
	if err := connection.SetCompressionLevel(level); err != nil {
		return err
	}
	if err := connection.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	for _, one := range series {
		if err := connection.WriteMessage(one.kind, one.data); err != nil {
			return err
		}
		if err := expectEcho(connection, one); err != nil {
			return err
		}
	}
	sent := make(chan error, 1)
	go func() {
		for _, one := range series {
			if err := connection.WriteMessage(one.kind, one.data); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for _, one := range series {
		if err := expectEcho(connection, one); err != nil {
			return err
		}
	}
	if err := <-sent; err != nil {
		return err
	}
	fmt.Printf("%d messages came back as they were\n", 2*len(series))
	return closeNormally(connection)
}

func expectEcho(connection *websocket.Conn, sent message) error {
	kind, data, err := connection.ReadMessage()
	if err != nil {
		return fmt.Errorf("%s: %w", sent.name, err)
	}
	if kind != sent.kind || !bytes.Equal(data, sent.data) {
		return fmt.Errorf("%s came back as %d bytes of type %d", sent.name, len(data), kind)
	}
	return nil
}

func closeNormally(connection *websocket.Conn) error {
	frame := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if err := connection.WriteMessage(websocket.CloseMessage, frame); err != nil {
		return err
	}
	_, _, err := connection.ReadMessage()
	if !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		return fmt.Errorf("closing: %w", err)
	}
	return nil
}
