// Command attack sends to a collector on this machine what an attacker could, one attack after the other, each to a fresh
// collector, and measures what it costs: memory, and whether the collector still works afterwards. It ends with status 1
// where a ceiling was exceeded, the books do not balance, or an honest exporter was not decoded any more.
//
//	make attack
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"text/tabwriter"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var o options
	flag.StringVar(&o.collector, "collector", "bin/collector", "the collector's binary")
	flag.DurationVar(&o.duration, "duration", 10*time.Second, "how long each attack lasts at least")
	flag.IntVar(&o.ceiling, "ceiling", 1<<10, "MiB of memory that no attack may exceed")
	only := flag.String("only", ".", "attacks whose names match")
	flag.Parse()
	var err error
	if o.only, err = regexp.Compile(*only); err == nil {
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
		os.Exit(1)
	}
}

type options struct {
	collector string
	duration  time.Duration
	ceiling   int
	only      *regexp.Regexp
}

// result is what an attack did.
type result struct {
	name             string
	sent, received   int
	idleMiB, peakMiB int
	then, remark     string
	failed           error
}

func run(ctx context.Context, o options) error {
	if _, err := os.Stat(o.collector); err != nil {
		return fmt.Errorf("%w: make build", err)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "ATTACK\tSENT\tRECEIVED\tIDLE MiB\tPEAK MiB\tAFTERWARDS\tCOUNTED") // Flush reports errors
	var failed error
	for _, a := range attacks {
		if !o.only.MatchString(a.name) || ctx.Err() != nil {
			continue
		}
		r := attackCollector(ctx, o, a)
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\t%s\n", r.name, r.sent, r.received, r.idleMiB, r.peakMiB, r.then, r.remark)
		failed = errors.Join(failed, r.failed)
		if err := w.Flush(); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp("", "flowfleet-attack-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	_, _ = fmt.Fprintln(w, "\nCAPTURE\tBYTES\tEXPANDED\tPEAK MiB\tSECONDS\tENDED WITH")
	for _, c := range captures {
		if !o.only.MatchString(c.name) || ctx.Err() != nil {
			continue
		}
		r, err := c.decode(ctx, o, filepath.Join(dir, c.name))
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%.1f\t%s\n", c.name, r.bytes, r.expanded, r.peakMiB, r.took.Seconds(), r.end)
		failed = errors.Join(failed, err)
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return failed
}
