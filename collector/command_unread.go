package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// unreadFor is how long a command that follows a stream waits for somebody to read what it prints. kubectl exec that is interrupted leaves
// the program in the pod, with an output that nobody reads and that stays open: without an end it would keep its place there until the pod
// goes. Whoever only holds the terminal's output has this long.
const unreadFor = 10 * time.Minute

// readWithin is an output that returns an error where one write of it has lasted longer than the limit, or until the context ended, and from then
// on. The command has to end then: the write goes on.
type readWithin struct {
	ctx   context.Context
	out   io.Writer
	limit time.Duration
	err   error
	// lines are written one after another, and written has how that ended. Both are nil before the first.
	lines   chan []byte
	written chan error
}

func newReadWithin(ctx context.Context, out io.Writer, limit time.Duration) *readWithin {
	return &readWithin{ctx: ctx, out: out, limit: limit}
}

// whileRead runs a command that follows a stream, until it is told to end: by its input where untilInputEnds, and where nobody reads what it prints.
func whileRead(command *cobra.Command, untilInputEnds bool, follow func(ctx context.Context, out io.Writer) error) error {
	ctx, cancel := context.WithCancel(command.Context())
	defer cancel()
	if untilInputEnds {
		endWith(command.InOrStdin(), cancel)
	}
	return endedByUser(ctx, follow(ctx, newReadWithin(ctx, command.OutOrStdout(), unreadFor)))
}

// endedByUser is the error of a command that follows a stream, nil where it is that the user ended it.
func endedByUser(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// lastWrite is for how long a write may go on after the context ended.
const lastWrite = time.Second

// Write implements io.Writer. It is called by one at a time.
func (r *readWithin) Write(b []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
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
	defer context.AfterFunc(r.ctx, func() { timer.Reset(min(r.limit, lastWrite)) })()
	r.lines <- b
	select {
	case err := <-r.written:
		if err != nil {
			return 0, err
		}
		return len(b), nil
	case <-timer.C:
		if r.err = context.Cause(r.ctx); r.err == nil {
			r.err = fmt.Errorf("nobody has read the output for %s", r.limit)
		}
		return 0, r.err
	}
}
