package main

import (
	"fmt"
	"os"
	"time"
)

// progress tells what is being done, and since when.
type progress struct{ began time.Time }

func newProgress() progress { return progress{time.Now()} }

func (p progress) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "[%5.1fs] %s\n", time.Since(p.began).Seconds(), fmt.Sprintf(format, args...))
}
