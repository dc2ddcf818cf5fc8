package run

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/config"
)

// Scrapes that come while a collector begins and ends find it in order; the race detector is the judge.
func TestScrapesWhileACollectorBeginsAndEnds(t *testing.T) {
	for range 5 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := l.Addr().String()
		_ = l.Close()
		c := config.Default()
		c.HTTP.Address = address
		c.Listeners = []config.Listener{{Name: "any", Address: "127.0.0.1:0", Protocol: config.ProtocolAuto, Workers: 1, ReceiveBuffer: 1 << 20}}
		c.Templates.Disabled = true
		c.Output.Kind = config.OutputNone
		c.DrainTime = config.Duration(time.Millisecond)
		ctx, end := context.WithCancel(context.Background())
		ended, answered := make(chan struct{}), make(chan struct{}, 1)
		go func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
			for {
				select {
				case <-ended:
					return
				default:
				}
				if r, err := client.Get("http://" + address + "/metrics"); err == nil {
					_, _ = io.Copy(io.Discard, r.Body)
					_ = r.Body.Close()
					select {
					case answered <- struct{}{}:
					default:
					}
				}
			}
		}()
		go func() {
			defer close(ended)
			if err := Run(ctx, "", nil, "", c, new(slog.LevelVar), slog.New(slog.DiscardHandler)); err != nil {
				t.Error(err)
			}
		}()
		select {
		case <-answered:
		case <-time.After(30 * time.Second):
			t.Error("no scrape was answered")
		}
		end()
		<-ended
	}
}
