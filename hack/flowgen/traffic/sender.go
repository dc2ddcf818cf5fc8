package traffic

import (
	"context"
	"errors"
	"time"
)

// Manifest is all that was sent. Record number n of an exporter, counted from 1, was in its datagram (n-1)/Records.
type Manifest struct {
	Run       uint8         `json:"run"`
	Began     time.Time     `json:"began"`
	Took      time.Duration `json:"took"`    // in nanoseconds
	Records   int           `json:"records"` // in a datagram
	Sampling  bool          `json:"sampling"`
	Named     bool          `json:"named"` // v9 and IPFIX named their interfaces, now or in a former run
	Exporters []Sent        `json:"exporters"`
}

// Datagrams returns how many datagrams with records were sent.
func (m Manifest) Datagrams() (n int) {
	for _, sent := range m.Exporters {
		n += len(sent.Times)
	}
	return n
}

// Refused returns how many ICMP errors came back.
func (m Manifest) Refused() (n int) {
	for _, sent := range m.Exporters {
		n += sent.Refused
	}
	return n
}

// Failed returns how many datagrams the system did not take.
func (m Manifest) Failed() (n int) {
	for _, sent := range m.Exporters {
		n += sent.Failed
	}
	return n
}

// Send sends until the settings are fulfilled or the context ends, and returns what was sent either way.
func Send(ctx context.Context, s Settings) (Manifest, error) {
	if err := s.Check(); err != nil {
		return Manifest{}, err
	}
	exporters := make([]*exporter, 0, s.Exporters)
	defer func() {
		for _, e := range exporters {
			_ = e.socket.Close()
		}
	}()
	for index := range s.Exporters {
		e, err := newExporter(s, index)
		if err != nil {
			return Manifest{}, err
		}
		exporters = append(exporters, e)
	}
	began := time.Now()
	err := pace(ctx, s, began, exporters)
	manifest := Manifest{Run: s.Run, Began: began, Took: time.Since(began), Records: s.Records, Sampling: s.Options,
		Named: s.Names == NamesSent || s.Names == NamesKnown}
	for _, e := range exporters {
		manifest.Exporters = append(manifest.Exporters, e.sent)
	}
	return manifest, err
}

// pace sends as many datagrams as the time that has passed allows. It catches up after a pause, but for no more than a
// tenth of a second: a burst would be lost in buffers, and be taken for a fault of who receives.
func pace(ctx context.Context, s Settings, began time.Time, exporters []*exporter) error {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	due, last := 0.0, began
	for sent := 0; ; {
		now := time.Now()
		due = min(due+now.Sub(last).Seconds()*s.Rate, max(1, s.Rate/10))
		last = now
		for ; due >= 1; due-- {
			if s.Datagrams > 0 && sent >= s.Datagrams || s.Duration > 0 && now.Sub(began) >= s.Duration {
				return nil
			}
			if err := exporters[sent%len(exporters)].datagram(s, began, now); err != nil {
				return err
			}
			sent++
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return nil // told to end: what was sent so far can be verified
			}
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
