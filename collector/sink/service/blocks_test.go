package service

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/clickhousetest"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

// Three sinks share a consumer and make blocks. One after the other is killed, at any moment or with an insert that is stored and of which it
// was not told. Blocks are switched off and on again meanwhile.
func TestSinksWithBlocksThatAreKilledLoseNothingAndStoreNothingTwice(t *testing.T) {
	clickhouse := clickhousetest.Start(t)
	js := newStream(t, natstest.Start(t))
	var mu sync.Mutex
	g := rand.New(rand.NewPCG(5, 6))
	tokens, untold := make(map[string]int), 0
	front := httptest.NewServer(network(t, clickhouse, nil, func(r *http.Response) {
		if !isInsert(r.Request) || r.StatusCode != http.StatusOK {
			return
		}
		mu.Lock()
		tokens[r.Request.URL.Query().Get("insert_deduplication_token")]++
		hold := g.IntN(4) == 0
		if hold {
			untold++
		}
		mu.Unlock()
		if hold { // it is stored, and nobody is told
			<-r.Request.Context().Done()
		}
	}))
	t.Cleanup(front.Close)
	// It makes the consumer, and the tables, which may take longer than a sink below waits.
	run(t, js.Conn().ConnectedUrl(), clickhouse.URL(), "ackWait: 1s\n").stop()
	file := func(blocks string) string {
		return write(t, fmt.Sprintf("nats: {urls: ['%s']}\nackWait: 1s\nhttp: {address: '-'}\nclickhouse: {url: '%s', timeout: 5s}\n%s",
			js.Conn().ConnectedUrl(), front.URL, blocks))
	}
	on, off := file("blocks: {maxAge: 100ms}\n"), file("")
	sinks := make([]*process, 3)
	for i := range sinks {
		sinks[i] = &process{t: t, file: on}
		sinks[i].start()
		t.Cleanup(func() { sinks[i].end(syscall.SIGKILL) })
	}
	publishFlows(t, js, 5)
	rest(t, js)
	const rounds, each = 24, 8
	for round := range rounds {
		publishFlows(t, js, each)
		mu.Lock()
		i, wait := g.IntN(len(sinks)), time.Duration(g.IntN(400))*time.Millisecond
		mu.Unlock()
		time.Sleep(wait)
		sinks[i].end(syscall.SIGKILL)
		sinks[i].file = on
		if round%6 == 5 {
			sinks[i].file = off
		}
		sinks[i].start()
	}
	rest(t, js)
	exact(t, clickhouse, 5+rounds*each)
	mu.Lock()
	defer mu.Unlock()
	blocks, again := 0, 0
	for token, n := range tokens {
		if strings.Contains(token, "/block/") {
			blocks++
			if n > 1 {
				again++
			}
		}
	}
	if blocks == 0 || again == 0 {
		t.Errorf("%d blocks, %d of them sent again", blocks, again)
	}
	t.Logf("figure: %d kills, %d inserts of which no sink was told, %d blocks, %d of them sent again", rounds, untold, blocks, again)
	for _, s := range sinks {
		s.end(syscall.SIGTERM)
	}
}
