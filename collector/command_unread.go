package main

import (
	"fmt"
	"io"
	"time"
)

// unreadFor is how long a command that follows a stream waits for somebody to read what it prints. kubectl exec that is interrupted leaves
// the program in the pod, with an output that nobody reads and that stays open: without an end it would keep its place there until the pod
// goes. Whoever only holds the terminal's output has this long.
const unreadFor = 10 * time.Minute

// readWithin is an output that returns an error where one write of it has lasted longer than the limit. The command has to end then: the
// write goes on.
type readWithin struct {
	out   io.Writer
	limit time.Duration
	// lines are written one after another, and written has how that ended. Both are nil before the first.
	lines   chan []byte
	written chan error
}

func newReadWithin(out io.Writer, limit time.Duration) *readWithin {
	return &readWithin{out: out, limit: limit}
}

// Write implements io.Writer. It is called by one at a time.
func (r *readWithin) Write(b []byte) (int, error) {
	if r.lines == nil {
		r.lines, r.written = make(chan []byte), make(chan error, 1)
		go func() {
			for line := range r.lines {
				_, err := r.out.Write(line)
				r.written <- err
			}
		}()
	}
	timer := time.NewTimer(r.limit)
	defer timer.Stop()
	r.lines <- b
	select {
	case err := <-r.written:
		if err != nil {
			return 0, err
		}
		return len(b), nil
	case <-timer.C:
		return 0, fmt.Errorf("nobody has read the output for %s", r.limit)
	}
}
