package clickhouse

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowfleet/flowfleet/collector/clickhousetest"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/sink"
)

func TestEveryFieldOfAMinuteHasItsColumn(t *testing.T) {
	var want, got []string
	fields := reflect.TypeFor[ledger.Minute]()
	for i := range fields.NumField() {
		name, _, _ := strings.Cut(fields.Field(i).Tag.Get("json"), ",")
		want = append(want, name)
	}
	for _, c := range minuteColumns {
		got = append(got, c.name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ledger.Minute and columns differ:\n%s", diff)
	}
}

func storeMinutes(t *testing.T, k *Client, token string, minutes ...ledger.Minute) {
	t.Helper()
	var b []byte
	for i := range minutes {
		b = minutes[i].AppendLine(b)
	}
	if err := k.Store(t.Context(), sink.Batch{Payload: b, Token: token, Ledger: true}); err != nil {
		t.Fatal(err)
	}
}

// router is an exporter whose datagrams come to collectors of a fleet, minute by minute. A datagram has one record.
type router struct {
	t       *testing.T
	s       *clickhousetest.Server
	k       *Client
	begin   time.Time // of the minute
	address string
	number  uint32
	tokens  int
	fleet   map[string]*follower
	flows   []flow.Record
	random  *rand.Rand
}

// follower is what a collector has of the stream.
type follower struct {
	run      string
	sequence ledger.Sequence
	before   ledger.Span
	book     ledger.Book
	last     time.Time
	share    uint64
}

func (r *router) token() string {
	r.tokens++
	return fmt.Sprint(r.address, "/", r.tokens)
}

// send sends datagrams to one of the collectors each; an empty name is one that gets lost.
func (r *router) send(n int, to ...string) {
	var counts ledger.Counts
	for i := range n {
		name := to[r.random.IntN(len(to))]
		at := r.begin.Add(time.Duration(i) * time.Millisecond)
		if f := r.fleet[name]; f != nil {
			f.sequence.Observe(r.number, 1, &counts)
			f.book.Inc(ledger.DatagramsReceived)
			f.book.Inc(ledger.DatagramsDecoded)
			f.book.Inc(ledger.RecordsDecoded)
			f.last = at
			record := sample()
			record.SamplerAddress, record.TimeReceivedNs = flow.AddressFrom(netip.MustParseAddr(r.address)), uint64(at.UnixNano())
			r.flows = append(r.flows, record)
		}
		r.number++
	}
}

// publish closes the minute of a collector.
func (r *router) publish(name string) {
	f := r.fleet[name]
	f.share++
	m := ledger.Minute{Minute: r.begin.Unix(), Fleet: "flows/edge", Collector: name, Run: f.run, Share: f.share, Kind: ledger.KindDomain,
		Exporter: r.address, Protocol: "ipfix", Port: 4000, Domain: 7}
	if f.book == (ledger.Book{}) {
		return
	}
	m.Count(&f.book)
	m.Follow(f.sequence.Since(&f.before), f.last)
	f.book, f.before = ledger.Book{}, f.sequence.Span
	storeMinutes(r.t, r.k, r.token(), m)
	if r.random.IntN(2) == 0 {
		storeMinutes(r.t, r.k, r.token(), m) // again, when its first token is long forgotten
	}
}

// next ends the minute.
func (r *router) next() {
	for name := range r.fleet {
		r.publish(name)
	}
	if len(r.flows) > 0 {
		store(r.t, r.k, r.token(), r.flows...)
		r.flows = nil
	}
	r.begin = r.begin.Add(time.Minute)
}

func (r *router) start(name string) {
	r.fleet[name] = &follower{run: name + "-" + r.token()}
}

var completenessBegin = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

func (r *router) expect(what, columns, want string) {
	r.t.Helper()
	query := "SELECT " + columns + " FROM flowfleet.completeness(from = '2026-01-02 03:00:00', to = '2026-01-02 05:00:00') WHERE exporter = toIPv6('" +
		r.address + "')"
	if got := r.s.Query(query); got != want {
		r.t.Errorf("%s: %s are\n%s\nwant\n%s\n%s", what, columns, got, want, r.s.Query("SELECT * FROM flowfleet.completeness("+
			"from = '2026-01-02 03:00:00', to = '2026-01-02 05:00:00') WHERE exporter = toIPv6('"+r.address+"')"))
	}
}

func TestCompletenessIsWhatBecameOfWhatWasSent(t *testing.T) {
	s, k := begin(t)
	n := 0
	begin := func(number uint32, collectors ...string) *router {
		n++
		r := &router{t: t, s: s, k: k, begin: completenessBegin, address: fmt.Sprintf("192.0.2.%d", n), number: number,
			fleet: make(map[string]*follower), random: rand.New(rand.NewPCG(uint64(n), 1))}
		for _, name := range collectors {
			r.start(name)
		}
		return r
	}
	const minutes, all = "sent, received, missed, records, stored", "sum(sent), sum(received), sum(missed), sum(records), sum(stored)"

	r := begin(100, "a")
	r.send(100, "a")
	r.next()
	r.send(60, "a")
	r.send(10, "")
	r.send(30, "a")
	r.next()
	r.expect("one collector", minutes+", round(share, 2), share_with_rate, share_named", "100\t100\t0\t100\t100\t1\t1\t0.5\n100\t90\t10\t90\t90\t0.9\t1\t0.5")

	r = begin(1<<32-150, "a", "b")
	for range 4 {
		r.send(1, "a")
		r.send(98, "a", "b", "b")
		r.send(1, "b")
		r.next()
	}
	r.expect("spread over two, across 2^32", minutes, strings.TrimSuffix(strings.Repeat("100\t100\t0\t100\t100\n", 4), "\n"))

	r = begin(1, "a", "b")
	r.send(100, "a", "b")
	r.next()
	r.send(50, "a")
	r.publish("a") // it ends, and
	r.send(7, "")  // nobody listens
	r.start("a")
	r.send(43, "a")
	r.next()
	delete(r.fleet, "a")
	r.send(20, "")
	r.start("a") // across the end of a minute
	r.next()
	r.send(80, "a", "b")
	r.next()
	r.expect("one is restarted", all, "300\t273\t27\t273\t273")

	r = begin(1, "a", "b")
	r.send(100, "a", "b")
	r.next()
	r.send(40, "a") // and is killed: it had no time to say so
	r.start("a")
	r.send(60, "a", "b")
	r.next()
	r.send(100, "a", "b")
	r.next()
	// What it did not say counts as missed, and its flows are there.
	r.expect("one is killed", all, "300\t260\t40\t260\t300")
	r.expect("one is killed", minutes, "100\t100\t0\t100\t100\n100\t60\t40\t60\t100\n100\t100\t0\t100\t100")

	r = begin(500_000_000, "a", "b")
	r.send(100, "a", "b")
	r.next()
	r.send(50, "a", "b")
	r.number = 1 // it restarts
	r.send(60, "a", "b")
	r.next()
	r.send(10, "")
	r.send(90, "a", "b")
	r.next()
	r.expect("the exporter restarts", minutes, "100\t100\t0\t100\t100\n110\t110\t0\t110\t110\n100\t90\t10\t90\t90")

	// One that is behind at the end of a minute makes nothing be missed in the next, and nothing sent twice.
	r = begin(1, "a", "b")
	r.send(50, "a", "b")
	r.send(50, "b")
	r.next()
	r.send(1, "a")
	delete(r.fleet, "b") // and the one that was ahead is gone
	r.send(99, "a")
	r.next()
	r.expect("the one ahead is gone", all, "200\t200\t0\t200\t200")

	// One of them hears of the restart when the other has gone on for a minute, and is behind it from then on.
	r = begin(500_000_000, "a", "b")
	r.send(100, "a", "b")
	r.next()
	r.number = 1
	r.send(100, "a")
	r.next()
	r.send(1, "b")
	r.send(99, "a")
	r.next()
	r.send(100, "a")
	r.next()
	r.expect("a restart is heard of late", minutes, strings.TrimSuffix(strings.Repeat("100\t100\t0\t100\t100\n", 4), "\n"))

	// One hears of the restart at the end of a minute, and by its clock before the other hears the last of what came before it.
	r = begin(500_000_000, "a", "b")
	r.send(100, "a", "b")
	r.next()
	r.send(99, "a", "b")
	r.number = 1
	r.send(1, "a") // at the first millisecond
	r.next()
	r.send(100, "a", "b")
	r.next()
	r.send(50, "a", "b")
	r.send(10, "")
	r.send(40, "a", "b")
	r.next()
	r.expect("a restart, by clocks that differ", minutes, "100\t100\t0\t100\t100\n100\t100\t0\t100\t100\n100\t100\t0\t100\t100\n100\t90\t10\t90\t90")

	// What waited for its template with one that the exporter left expires in a minute in which nobody hears it.
	r = begin(1, "a", "b")
	r.send(100, "a")
	r.next()
	r.send(10_000, "b")
	r.next()
	r.fleet["a"].book.Inc(ledger.SetsExpiredAge)
	r.next()
	r.send(100, "b")
	r.next()
	r.expect("sets expire while the exporter is silent", "sent, received, missed, sets_lost", "100\t100\t0\t0\n10000\t10000\t0\t0\n0\t0\t0\t1\n100\t100\t0\t0")

	// Only a message without data gets through, and its number says what was lost.
	r = begin(1, "a")
	r.send(100, "a")
	r.next()
	r.send(10_000, "")
	var counts ledger.Counts
	r.fleet["a"].sequence.Observe(r.number, 0, &counts)
	r.fleet["a"].book.Inc(ledger.DatagramsReceived)
	r.fleet["a"].last = r.begin.Add(time.Minute - time.Second)
	r.next()
	r.send(100, "a")
	r.next()
	r.expect("only templates arrive", "sent, received, missed", "100\t100\t0\n10000\t0\t10000\n100\t100\t0")

	// More is given up in a minute than came in it.
	r = begin(1, "a")
	r.fleet["a"].book.Inc(ledger.SetsReceived)
	for range 5 {
		r.fleet["a"].book.Inc(ledger.SetsExpiredAge)
	}
	r.send(10, "a")
	r.next()
	r.expect("sets of before expire", "sent, sets, sets_lost, share", "10\t1\t5\t0")

	expect(t, s, "SELECT count() FROM (SELECT "+minuteKey+", count() AS n FROM flowfleet.ledger_minutes FINAL GROUP BY ALL HAVING n > 1)", "0")
}

// Collectors hear an exporter in turn and together, are silent, end and begin anew, and their clocks differ: what is missed is what was lost, and
// where the exporter restarts no more than that.
func TestCompletenessInventsNoLoss(t *testing.T) {
	s, k := begin(t)
	lost, restarted := make(map[string]int64), make(map[string]bool)
	for e := range uint64(100) {
		rnd := rand.New(rand.NewPCG(e, 1))
		address := fmt.Sprintf("198.51.100.%d", e)
		lost[address] = 0
		number, at := rnd.Uint32()|1<<20, completenessBegin
		fleet := make([]*follower, 1+rnd.IntN(3))
		ahead := make([]time.Duration, len(fleet))
		for i := range fleet {
			fleet[i], ahead[i] = &follower{run: "first"}, time.Duration(rnd.IntN(500))*time.Millisecond
		}
		restartIn := 1 + rnd.IntN(2*20) // or never
		var counts ledger.Counts
		var minutes []ledger.Minute
		for minute := range 20 {
			n, to := rnd.IntN(200), rnd.Perm(len(fleet))[:1+rnd.IntN(len(fleet))]
			restartAt := -1
			switch minute {
			case 0, 19: // what is lost before the first and behind the last datagram nobody knows
				n = 100
			case restartIn:
				restartAt = rnd.IntN(n + 1)
			}
			for i := range n {
				if i == restartAt {
					number, restarted[address] = rnd.Uint32N(3), true
				}
				if minute > 0 && minute < 19 && e%3 == 0 && rnd.IntN(20) == 0 {
					lost[address] += 300
				} else {
					which := to[rnd.IntN(len(to))]
					f := fleet[which]
					f.sequence.Observe(number, 300, &counts)
					f.book.Inc(ledger.DatagramsReceived)
					f.last = at.Add(time.Duration(i)*time.Second/4 + ahead[which])
				}
				number += 300
			}
			for i, f := range fleet {
				if rnd.IntN(8) == 0 {
					f.book.Inc(ledger.SetsExpiredAge)
				}
				if f.book != (ledger.Book{}) {
					m := ledger.Minute{Minute: at.Unix(), Collector: fmt.Sprint(i), Run: f.run, Kind: ledger.KindDomain, Exporter: address, Protocol: "ipfix"}
					m.Count(&f.book)
					m.Follow(f.sequence.Since(&f.before), f.last)
					f.book, f.before = ledger.Book{}, f.sequence.Span
					minutes = append(minutes, m)
				}
				if rnd.IntN(12) == 0 {
					fleet[i] = &follower{run: fmt.Sprint(minute)}
				}
			}
			at = at.Add(time.Minute)
		}
		storeMinutes(t, k, address, minutes...)
	}
	answer := s.Query("SELECT substring(toString(exporter), 8), sum(c.missed), toString(groupArray(c.missed)) FROM flowfleet.completeness(" +
		"from = '2026-01-02 03:00:00', to = '2026-01-02 05:00:00') AS c GROUP BY exporter")
	lines := strings.Split(answer, "\n")
	for _, line := range lines {
		var address, each string
		var missed int64
		if _, err := fmt.Sscan(line, &address, &missed, &each); err != nil {
			t.Fatal(err)
		}
		if missed > lost[address] || !restarted[address] && missed < lost[address] {
			t.Errorf("of %s %d are missed, and %d were lost; it restarted: %t; by minute: %s", address, missed, lost[address], restarted[address], each)
		}
	}
	if len(lines) != len(lost) || len(restarted) == 0 || len(restarted) == len(lost) {
		t.Errorf("%d exporters are told of %d, and %d restarted", len(lines), len(lost), len(restarted))
	}
}

func TestARecordOfTheLedgerIsReadAsItIs(t *testing.T) {
	s, k := begin(t)
	m := ledger.Minute{Minute: completenessBegin.Unix(), Fleet: "flows/edge", Collector: "a", Run: "x", Share: 3, Kind: ledger.KindRest, Exporter: "192.0.2.1",
		Protocol: "ipfix", Datagrams: 4, DatagramsRefused: map[string]uint64{"bad_header": 3, "too_short": 1}, RecordsDropped: map[string]uint64{"oldest": 1 << 63}}
	other := m
	other.Exporter, other.Kind = ledger.NoExporter, ledger.KindCollector
	storeMinutes(t, k, "1", m, other)
	storeMinutes(t, k, "1", m, other)
	expect(t, s, "SELECT minute, collector, share, kind, exporter, datagrams, datagrams_refused, records_dropped['oldest'] FROM flowfleet.ledger_minutes ORDER BY exporter",
		"2026-01-02 03:00:00\ta\t3\tcollector\t::\t4\t{'bad_header':3,'too_short':1}\t9223372036854775808\n"+
			"2026-01-02 03:00:00\ta\t3\trest\t::ffff:192.0.2.1\t4\t{'bad_header':3,'too_short':1}\t9223372036854775808")
	if err := k.Store(t.Context(), sink.Batch{Payload: []byte(`{"minute":1,"later":[{"version":2}]}` + "\n"), Token: "2", Ledger: true}); err != nil {
		t.Errorf("a field of a later version: %v", err)
	}
}
