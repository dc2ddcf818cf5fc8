package build

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// every is how often a build that goes on says so.
const every = 15 * time.Second

func (b *Builder) say(format string, args ...any) {
	if b.Progress != nil {
		fmt.Fprintf(b.Progress, format+"\n", args...)
	}
}

// compiled reads what "go build -v" prints: the packages as they are compiled, one a line, and what is wrong.
type compiled struct {
	mutex    sync.Mutex
	partial  []byte
	packages int
	problems bytes.Buffer
}

// Write takes in a part of the output.
func (c *compiled) Write(p []byte) (int, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.partial = append(c.partial, p...)
	for {
		line, rest, whole := bytes.Cut(c.partial, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		if isPackage(string(line)) {
			c.packages++
		} else {
			c.problems.Write(append(slices.Clone(line), '\n'))
		}
		c.partial = slices.Clone(rest)
	}
}

// isPackage reports whether a line is an import path, and no message: those have spaces, or a file's place.
func isPackage(line string) bool { return line != "" && !strings.ContainsAny(line, " :\t#") }

func (c *compiled) count() int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.packages
}

// said is all that is no package.
func (c *compiled) said() []byte {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return append(slices.Clone(c.problems.Bytes()), c.partial...)
}

// dependencies counts what a program is built from; 0 where that cannot be told.
func dependencies(ctx context.Context, module string, program Program) int {
	command := exec.CommandContext(ctx, "go", "list", "-deps", "-tags="+program.Tags, program.Package)
	command.Dir = module
	command.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "CGO_ENABLED="+cgo(program))
	out, err := command.Output()
	if err != nil {
		return 0
	}
	return bytes.Count(out, []byte("\n"))
}

// going says how far a build is. What is in the cache already is not compiled: the estimate is the longest that it can take.
func going(name string, took time.Duration, packages, all int) string {
	text := fmt.Sprintf("%s: building for %s, %d packages compiled", name, took.Round(time.Second), packages)
	if all == 0 || packages == 0 {
		return text
	}
	if packages >= all {
		return text + ", linking"
	}
	rest := time.Duration(float64(took) / float64(packages) * float64(all-packages))
	return fmt.Sprintf("%s of %d at most: %s more at most", text, all, rest.Round(time.Second))
}

// tick says from time to time how far a build is, until the returned function is called.
func (b *Builder) tick(name string, began time.Time, output *compiled, all int) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				b.say("%s", going(name, time.Since(began), output.count(), all))
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}
