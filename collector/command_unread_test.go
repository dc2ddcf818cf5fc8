package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestFollowingEndsWhenNobodyReadsWhatItPrints(t *testing.T) {
	unread, out := io.Pipe()
	defer func() { _ = unread.Close() }() // lets the write end
	if _, err := newReadWithin(out, time.Millisecond).Write([]byte("a flow\n")); err == nil || !strings.Contains(err.Error(), "nobody has read") {
		t.Errorf("writing: %v", err)
	}
}

func TestWhatIsReadIsPrintedWholeAndInOrder(t *testing.T) {
	var got bytes.Buffer
	out := newReadWithin(&got, time.Hour)
	line := []byte("1\n") // used again, as by tail
	for _, c := range "123" {
		line[0] = byte(c)
		if n, err := out.Write(line); n != 2 || err != nil {
			t.Fatal(n, err)
		}
	}
	if got.String() != "1\n2\n3\n" {
		t.Errorf("%q", got.String())
	}
	closed, broken := io.Pipe()
	_ = closed.Close()
	if _, err := newReadWithin(broken, time.Hour).Write(line); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a closed output: %v", err)
	}
}
