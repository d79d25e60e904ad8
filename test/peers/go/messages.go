// The messages that the client sends: the same sizes and kinds as those of
// ../python/deflate_messages.py and ../lws/messages.c.

package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/gorilla/websocket"
)

type message struct {
	name string
	kind int
	data []byte
}

// 1 MiB is the most that servers of ours take unless told otherwise.
var sizes = []int{0, 1, 100, 1024, 100 * 1024, 1024 * 1024}

// How far back bytes are repeated: one for each window that zlib has, which reaches 262 bytes less than its size.
var distances = []int{240, 700, 1700, 3700, 7900, 16_100, 32_500}

const run = 64
const farSize = 34 * 1024

// Sizes above the largest are left out.
func makeSeries(largest int) []message {
	random := newRandom()
	series := []message{{"bytes from afar", websocket.BinaryMessage, random.fromAfar()}}
	for _, size := range sizes {
		if size > largest {
			break
		}
		series = append(series,
			message{fmt.Sprintf("%d bytes of text that repeats", size), websocket.TextMessage, repeatText(size)},
			message{fmt.Sprintf("%d bytes of random text", size), websocket.TextMessage, random.text(size)},
			message{fmt.Sprintf("%d bytes that repeat", size), websocket.BinaryMessage, repeatBytes(size)},
			message{fmt.Sprintf("%d random bytes", size), websocket.BinaryMessage, random.bytes(size)},
		)
	}
	return series
}

// Characters of one, three and four bytes, which pieces of any size cut.
func repeatText(size int) []byte {
	const unit = "四字😀.."
	text := strings.Repeat(unit, size/len(unit))
	return []byte(text + strings.Repeat(".", size-len(text)))
}

func repeatBytes(size int) []byte {
	return bytes.Repeat([]byte{0, 1, 2, 127, 128, 254, 255}, size/7+1)[:size]
}

// Marsaglia's xorshift: the same on every run.
type random uint32

func newRandom() *random {
	seed := random(2463534242)
	return &seed
}

func (state *random) next() byte {
	*state ^= *state << 13
	*state ^= *state >> 17
	*state ^= *state << 5
	return byte(*state >> 24)
}

func (state *random) bytes(size int) []byte {
	data := make([]byte, size)
	for index := range data {
		data[index] = state.next()
	}
	return data
}

// Printable ASCII, of which compression takes a sixth off.
func (state *random) text(size int) []byte {
	data := state.bytes(size)
	for index := range data {
		data[index] = ' ' + data[index]%95
	}
	return data
}

// Bytes of which every other run stood there before.
func (state *random) fromAfar() []byte {
	data := state.bytes(farSize)
	for turn, start := 0, 2*run; start+run <= farSize; turn, start = turn+1, start+2*run {
		distance := distances[turn%len(distances)]
		if distance <= start {
			copy(data[start:start+run], data[start-distance:])
		}
	}
	return data
}
