package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestFollowingEndsWhenNobodyReadsWhatItPrints(t *testing.T) {
	unread, out := io.Pipe()
	defer func() { _ = unread.Close() }() // lets the write end
	if _, err := newReadWithin(t.Context(), out, time.Millisecond).Write([]byte("a flow\n")); err == nil || !strings.Contains(err.Error(), "nobody has read") {
		t.Errorf("writing: %v", err)
	}
}

func TestFollowingThatIsEndedDoesNotWaitForSomebodyToRead(t *testing.T) {
	unread, output := io.Pipe()
	defer func() { _ = unread.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	out := newReadWithin(ctx, output, time.Hour)
	time.AfterFunc(10*time.Millisecond, cancel)
	for range 2 { // the second time at once: the first line still waits
		if _, err := out.Write([]byte("a flow\n")); !errors.Is(err, context.Canceled) {
			t.Errorf("writing: %v", err)
		}
	}
}

func TestWhatIsReadIsPrintedWholeAndInOrder(t *testing.T) {
	var got bytes.Buffer
	out := newReadWithin(t.Context(), &got, time.Hour)
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
	if _, err := newReadWithin(t.Context(), broken, time.Hour).Write(line); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a closed output: %v", err)
	}
}
