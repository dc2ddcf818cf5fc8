package status

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Encode writes a document as JSON of at most MaxBytes, and holds it to the bounds of this package: what does not find room is left
// out, the senders that sent least first.
func Encode(d *Document) ([]byte, error) {
	bounded := *d
	bounded.Version = Version
	bounded.bound()
	for {
		text, err := json.Marshal(&bounded)
		if err != nil {
			return nil, fmt.Errorf("writing the status: %w", err)
		}
		if len(text) <= MaxBytes {
			return text, nil
		}
		switch {
		case len(bounded.Senders) > 0:
			bounded.Senders = bounded.Senders[:len(bounded.Senders)/2]
		case len(bounded.Listeners) > 0:
			half := len(bounded.Listeners) / 2
			bounded.ListenersLeftOut += len(bounded.Listeners) - half
			bounded.Listeners = bounded.Listeners[:half]
		default:
			return nil, fmt.Errorf("writing the status: it takes %d bytes, more than %d", len(text), MaxBytes)
		}
	}
}

// Decode reads a document that came from somewhere. It takes at most MaxBytes, holds what it read to the bounds of this package, and
// refuses what is no status of a collector.
func Decode(r io.Reader) (*Document, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the status: %w", err)
	}
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("reading the status: it is longer than %d KiB", MaxBytes>>10)
	}
	if err := crowded(text); err != nil {
		return nil, err
	}
	d := &Document{}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, errors.New("reading the status: it is no JSON of a collector") // not what else it is
	}
	if d.Version < 1 || d.Started.IsZero() {
		return nil, errors.New("reading the status: it is not a collector's")
	}
	d.bound()
	return d, nil
}

// maxValues of a document: 64 KiB of "{},{}" would become megabytes.
const maxValues = 8192

// crowded refuses what has more values than a document can have.
func crowded(text []byte) error {
	if n := bytes.Count(text, []byte{','}); n > maxValues {
		return fmt.Errorf("reading the status: it has %d values, more than %d", n, maxValues)
	}
	return nil
}

// maxFigure bounds every figure, so that no sum of them overflows. Nobody counts that far in a thousand years, and every JSON has it
// exactly.
const maxFigure = 1 << 53

// figure is one within 0 and maxFigure.
func figure[T int | int64 | uint64](n T) T {
	return max(0, T(min(uint64(max(0, n)), uint64(maxFigure))))
}

func figures[T int | int64 | uint64](all ...*T) {
	for _, n := range all {
		*n = figure(*n)
	}
}

// bound holds a document to the bounds of this package. Lists and maps that are too long are replaced, not changed.
func (d *Document) bound() {
	o := &d.Output
	figures(&o.Published, &o.Waiting, &o.Spooled, &o.Failures, &o.Retries)
	figures(&o.BufferBytes)
	figures(&d.ListenersLeftOut, &d.SendersTotal, &d.Known.Exporters, &d.Known.Templates, &d.Known.SamplingRates)
	for _, s := range []*string{&d.Instance, &d.Build, &d.Configuration, &d.NotReady, &d.Output.Kind, &d.Output.Stream, &d.Output.LastError} {
		*s = Text(*s)
	}
	if d.Bucket != nil {
		b := *d.Bucket
		b.Name, b.LastError = Text(b.Name), Text(b.LastError)
		figures(&b.Keys, &b.Queue)
		figures(&b.Writes, &b.WriteErrors, &b.Overflows)
		d.Bucket = &b
	}
	if d.Spool != nil {
		s := *d.Spool
		s.Error = Text(s.Error)
		figures(&s.Bytes)
		d.Spool = &s
	}
	d.Output.Dropped, d.Records = reasons(d.Output.Dropped), reasons(d.Records)
	if n := len(d.Listeners) - MaxListeners; n > 0 {
		d.ListenersLeftOut += n
	}
	listeners := slices.Clone(d.Listeners[:min(len(d.Listeners), MaxListeners)])
	for i := range listeners {
		l := &listeners[i]
		l.Name, l.Protocol = Text(l.Name), Text(l.Protocol)
		figures(&l.Received, &l.Decoded, &l.KernelDropped, &l.SetsWaiting, &l.Records)
		figures(&l.Sockets)
		figures(&l.AskedBytes, &l.GrantedBytes)
		l.Refused, l.SetsExpired, l.SetsDropped = reasons(l.Refused), reasons(l.SetsExpired), reasons(l.SetsDropped)
	}
	d.Listeners = listeners
	senders := slices.Clone(d.Senders[:min(len(d.Senders), MaxSenders)])
	for i := range senders {
		senders[i].Address = text(senders[i].Address, maxWord)
		figures(&senders[i].Datagrams)
		figures(&senders[i].Ports, &senders[i].Domains)
	}
	d.Senders = senders
}

// maxWord is for an address, a reason or a protocol, in bytes.
const maxWord = 64

// reasons are the first figures by reason, in order of their names.
func reasons(m map[string]uint64) map[string]uint64 {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]uint64, min(len(m), MaxReasons))
	for _, name := range slices.Sorted(maps.Keys(m))[:min(len(m), MaxReasons)] {
		word := text(name, maxWord)
		out[word] = figure(out[word] + figure(m[name]))
	}
	return out
}

// Text makes a text one line of at most MaxText bytes, without control characters and what is no UTF-8.
func Text(s string) string { return text(s, MaxText) }

func text(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s[:min(len(s), 2*most)], "?"))
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
