package clickhouse

import (
	"errors"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/collector/clickhousetest"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/sink"
)

func TestMain(m *testing.M) {
	clickhousetest.ServeIfAsked()
	os.Exit(m.Run())
}

// begin starts a server with the tables, whose rows are kept for ever, and a client of it.
func begin(t *testing.T) (*clickhousetest.Server, *Client) {
	t.Helper()
	s := clickhousetest.Start(t)
	for _, statement := range (Tables{Database: "flowfleet"}).Statements() {
		s.Query(statement)
	}
	c := Config{URL: s.URL()}
	c.SetDefaults()
	return s, New(c)
}

func store(t *testing.T, k *Client, token string, records ...flow.Record) {
	t.Helper()
	if err := k.Store(t.Context(), sink.Batch{Payload: encode(records...), Token: token}); err != nil {
		t.Fatal(err)
	}
}

func encode(records ...flow.Record) (b []byte) {
	var e flow.Encoder
	for i := range records {
		b = e.AppendDelimited(b, &records[i])
	}
	return b
}

func expect(t *testing.T, s *clickhousetest.Server, query, want string) {
	t.Helper()
	if got := s.Query(query); got != want {
		t.Errorf("%s\n got %q\nwant %q", query, got, want)
	}
}

// received is 2023-11-14 22:13:20.123456789.
const received = 1_700_000_000_123_456_789

func sample() flow.Record {
	return flow.Record{
		Type: flow.TypeIPFIX, TimeReceivedNs: received, TimeFlowStartNs: received - 2e9, TimeFlowEndNs: received - 1e9,
		SequenceNum: 7, SamplingRate: 1000, SamplerAddress: flow.AddressFrom(netip.MustParseAddr("192.0.2.1")),
		Bytes: 1500, Packets: 3, SrcAddr: flow.AddressFrom(netip.MustParseAddr("10.10.13.10")),
		DstAddr: flow.AddressFrom(netip.MustParseAddr("2001:db8::1")), Proto: 6, SrcPort: 50000, DstPort: 443, InIf: 3, OutIf: 4,
		SrcAS: 64500, DstAS: 4294967295, MPLSIP: []flow.Address{flow.AddressFrom(netip.MustParseAddr("10.0.0.1"))},
		ASPath: []uint32{1, 2}, LayerStack: []flow.Layer{flow.LayerEthernet, flow.LayerCustom},
		Names: []*flow.Text{flow.NewText(flow.InIfName, "xe-0/0/3"), flow.NewText(flow.ExporterName, "edge-1")},
		Extra: []flow.Extra{{ID: 82, Value: []byte("not stored")}, {Enterprise: 9, ID: 1, Value: []byte("nor this")}},
	}
}

func TestABatchIsReadAsItCame(t *testing.T) {
	s, k := begin(t)
	four, none := sample(), sample()
	none.SrcAddr, none.MPLSIP, none.Extra, none.Names = flow.Address{}, nil, nil, nil
	none.SequenceNum = 8
	store(t, k, "1", four, none)
	expect(t, s, `SELECT type, time_received, time_flow_start, time_flow_end, sampling_rate, sampler_address, bytes, packets, src_addr,
		dst_addr, proto, src_port, dst_port, in_if, out_if, src_as, dst_as, mpls_ip, as_path, layer_stack, in_if_name, exporter_name
		FROM flowfleet.flows ORDER BY sequence_num`,
		"IPFIX\t2023-11-14 22:13:20.123456789\t2023-11-14 22:13:18.123456789\t2023-11-14 22:13:19.123456789\t1000\t::ffff:192.0.2.1\t"+
			"1500\t3\t::ffff:10.10.13.10\t2001:db8::1\t6\t50000\t443\t3\t4\t64500\t4294967295\t['::ffff:10.0.0.1']\t[1,2]\t"+
			"['Ethernet','Custom']\txe-0/0/3\tedge-1\n"+
			"IPFIX\t2023-11-14 22:13:20.123456789\t2023-11-14 22:13:18.123456789\t2023-11-14 22:13:19.123456789\t1000\t::ffff:192.0.2.1\t"+
			"1500\t3\t::\t2001:db8::1\t6\t50000\t443\t3\t4\t64500\t4294967295\t[]\t[1,2]\t['Ethernet','Custom']\t\t")
	expect(t, s, "SELECT count() FROM flowfleet.flows_raw", "0")
}

func TestAScaledVolumeIsNullWhereItIsNotKnown(t *testing.T) {
	s, k := begin(t)
	var records []flow.Record
	for i, rate := range []uint64{0, 1, 10, math.MaxUint32, math.MaxUint64} {
		r := sample()
		r.SequenceNum, r.SamplingRate, r.Bytes, r.Packets = uint32(i), rate, 1<<33, 1
		records = append(records, r)
	}
	store(t, k, "1", records...)
	expect(t, s, "SELECT sampling_rate, bytes, scaled_bytes, scaled_packets FROM flowfleet.flows ORDER BY sequence_num",
		"0\t8589934592\t\\N\t\\N\n1\t8589934592\t8589934592\t1\n10\t8589934592\t85899345920\t10\n"+
			"4294967295\t8589934592\t\\N\t4294967295\n18446744073709551615\t8589934592\t\\N\t18446744073709551615")
	expect(t, s, `SELECT flows, flows_without_rate, bytes, scaled_bytes FROM flowfleet.protocols_1m FINAL`, "5\t3\t42949672960\t94489280512")
	if answer, ok := s.Try("INSERT INTO flowfleet.flows (bytes, sampling_rate, scaled_bytes) VALUES (1, 1, 5)"); ok {
		t.Errorf("a scaled volume was written: %s", answer)
	}
	unknown := sample()
	unknown.SamplingRate, unknown.Proto = 0, 17
	store(t, k, "2", unknown)
	expect(t, s, "SELECT sum(scaled_bytes) FROM flowfleet.protocols_5m WHERE proto = 17", "\\N")
}

func TestRollUpsAddUpToTheFlows(t *testing.T) {
	s, k := begin(t)
	g := rand.New(rand.NewPCG(1, 2))
	for token := range 5 {
		records := make([]flow.Record, 400)
		for i := range records {
			r := sample()
			r.TimeReceivedNs = received + uint64(token)*50e9 + uint64(g.Int64N(20e9))
			r.SamplingRate, r.Bytes, r.Packets = uint64(g.IntN(3)*100), uint64(g.IntN(1e6)), uint64(g.IntN(100))
			r.InIf, r.OutIf, r.SrcAS, r.DstAS = uint32(g.IntN(3)), uint32(g.IntN(3)), uint32(g.IntN(3)), uint32(g.IntN(3))
			r.Proto, r.SrcPort, r.DstPort = uint32(g.IntN(3)), uint32(g.IntN(4)), uint32(g.IntN(4))
			records[i] = r
		}
		store(t, k, string(rune('a'+token)), records...)
	}
	expect(t, s, "SELECT count() FROM flowfleet.flows", "2000")
	const added = "sum(flows), sum(flows_without_rate), sum(bytes), sum(packets), sum(scaled_bytes), sum(scaled_packets)"
	const counted = "count(), countIf(scaled_bytes IS NULL), sum(bytes), sum(packets), sum(scaled_bytes), sum(scaled_packets)"
	for _, r := range rollups {
		for _, i := range []interval{oneMinute, fiveMinutes} {
			s.Query("OPTIMIZE TABLE flowfleet." + r.table(i) + " FINAL") // what merging adds up is right, too
			var names, expressions []string
			for _, k := range r.keys {
				names, expressions = append(names, k.name), append(expressions, k.expression)
			}
			group := func(time string, keys []string, sums, from string) string {
				all := append([]string{time}, keys...)
				order := strings.Join(all, ", ")
				return s.Query("SELECT " + order + ", " + sums + " FROM flowfleet." + from + " GROUP BY " + order + " ORDER BY " + order)
			}
			start := strings.ReplaceAll(i.start, "%s", "toDateTime(f.time_received, 'UTC')")
			got, want := group("time", names, added, r.table(i)), group(start, expressions, counted, "flows AS f"+r.from)
			if got != want || len(got) < 100 {
				t.Errorf("%s has\n%s\nwant\n%s", r.table(i), got, want)
			}
		}
	}
}

// everywhere is how many flows each table has, which is twice as many by interface and by prefix.
func everywhere(t *testing.T, s *clickhousetest.Server, want string) {
	t.Helper()
	for _, r := range rollups {
		for _, i := range []interval{oneMinute, fiveMinutes} {
			divisor := "1"
			if r.name == "interfaces" || r.name == "prefixes" {
				divisor = "2"
			}
			expect(t, s, "SELECT intDiv(sum(flows), "+divisor+") FROM flowfleet."+r.table(i), want)
		}
	}
	expect(t, s, "SELECT count() FROM flowfleet.flows", want)
}

// A prefix is as long as the exporter says, and never so long that it is a host's.
func TestFlowsAddUpByPrefix(t *testing.T) {
	s, k := begin(t)
	var records []flow.Record
	for _, ends := range [][2]struct {
		address string
		length  uint32
	}{
		{{"10.20.30.40", 16}, {"2001:db8:1:2::3", 32}},
		{{"10.20.99.1", 16}, {"2001:db8:9::", 32}},
		{{"10.20.30.40", 30}, {"2001:db8:1:2::3", 64}}, // of a host's subnet
		{{"10.20.30.41", 0}, {"2001:db8:1:3::3", 0}},   // not said
		{{"10.20.30.41", 99}, {"10.0.0.1", 255}},       // lengths that are none
		{{"", 0}, {"10.0.0.200", 8}},                   // no address
	} {
		r := sample()
		r.SrcAddr, r.SrcNet, r.DstAddr, r.DstNet = flow.Address{}, ends[0].length, flow.AddressFrom(netip.MustParseAddr(ends[1].address)), ends[1].length
		if ends[0].address != "" {
			r.SrcAddr = flow.AddressFrom(netip.MustParseAddr(ends[0].address))
		}
		records = append(records, r)
	}
	store(t, k, "1", records...)
	for _, table := range []string{"prefixes_1m", "prefixes_5m"} {
		expect(t, s, "SELECT side, prefix, prefix_length, sum(flows), sum(bytes), sum(scaled_bytes) FROM flowfleet."+table+" GROUP BY ALL ORDER BY ALL",
			"dst\t::ffff:10.0.0.0\t8\t1\t1500\t1500000\n"+
				"dst\t::ffff:10.0.0.0\t24\t1\t1500\t1500000\n"+
				"dst\t2001:db8::\t32\t2\t3000\t3000000\n"+
				"dst\t2001:db8:1::\t48\t2\t3000\t3000000\n"+
				"src\t::\t48\t1\t1500\t1500000\n"+
				"src\t::ffff:10.20.0.0\t16\t2\t3000\t3000000\n"+
				"src\t::ffff:10.20.30.0\t24\t3\t4500\t4500000")
	}
}

func TestABatchThatComesAgainIsStoredOnce(t *testing.T) {
	s, k := begin(t)
	today, tomorrow := sample(), sample()
	tomorrow.TimeReceivedNs += 24 * 3600e9
	store(t, k, "a", today, tomorrow) // two partitions
	store(t, k, "a", today, tomorrow)
	everywhere(t, s, "2")
	store(t, k, "b", today, tomorrow) // the same flows in another batch are other flows
	everywhere(t, s, "4")
	s.Kill()
	s.Restart()
	store(t, k, "a", today, tomorrow)
	store(t, k, "b", today, tomorrow)
	everywhere(t, s, "4")
	store(t, k, "c", today)
	everywhere(t, s, "5")
}

func TestABatchThatWasStoredInPartIsCompletedOnce(t *testing.T) {
	for _, r := range rollups {
		t.Run(r.name, func(t *testing.T) {
			s, k := begin(t)
			table := "flowfleet." + r.table(oneMinute)
			s.Query("RENAME TABLE " + table + " TO flowfleet.away")
			batch := sink.Batch{Payload: encode(sample(), sample()), Token: "a"}
			err := k.Store(t.Context(), batch)
			if err == nil {
				t.Fatal("it is stored, without a roll-up")
			}
			var refused *sink.Refusal
			if errors.As(err, &refused) {
				t.Errorf("it is given up for a table that is missing: %v", err)
			}
			s.Query("RENAME TABLE flowfleet.away TO " + table)
			store(t, k, "a", sample(), sample())
			everywhere(t, s, "2")
		})
	}
}

func TestABatchThatCannotBeReadIsRefused(t *testing.T) {
	s, k := begin(t)
	for name, payload := range map[string][]byte{
		"cut short":        encode(sample(), sample())[:200],
		"another type":     {4, 0x5a, 9, 1, 1},    // the exporter's address runs past the message
		"an unknown value": {2, 0x08, 99},         // no such protocol
		"no protobuf":      []byte(`{"bytes":1}`), // JSON
	} {
		err := k.Store(t.Context(), sink.Batch{Payload: payload, Token: name})
		var refused *sink.Refusal
		if !errors.As(err, &refused) || refused.Reason != sink.ReasonDestination {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, minute := range []string{`{"minute":"x"}`, `{"exporter":"x"}`, `{"exporter":"fe80::1%eth0"}`, `{"collector":"\ud800"}`, `{"sets_lost":{"a":"x"}}`,
		`{"sets_lost":[]}`, `{"port":[]}`, `{"fleet":{"a":`, `{"minute":1`} {
		err := k.Store(t.Context(), sink.Batch{Payload: []byte(minute + "\n"), Token: minute, Ledger: true})
		if !errors.As(err, new(*sink.Refusal)) {
			t.Errorf("%s: %v", minute, err)
		}
	}
	everywhere(t, s, "0")
	s.Query("DROP TABLE flowfleet.flows_raw")
	err := k.Store(t.Context(), sink.Batch{Payload: encode(sample()), Token: "z"})
	var refused *sink.Refusal
	if err == nil || errors.As(err, &refused) {
		t.Errorf("without a table: %v", err)
	}
}

// A partition is a day: a batch of too many is at fault itself, and a table with too many parts is not the batch's fault.
func TestABatchOfTooManyPartitionsIsRefusedAndATableOfTooManyPartsIsWaitedFor(t *testing.T) {
	s, k := begin(t)
	s.Query("ALTER TABLE flowfleet.flows MODIFY SETTING parts_to_throw_insert = 1, parts_to_delay_insert = 0")
	s.Query("SYSTEM STOP MERGES flowfleet.flows")
	many := make([]flow.Record, 150)
	for i := range many {
		many[i] = sample()
		many[i].TimeReceivedNs += uint64(i) * 24 * 3600e9
	}
	err := k.Store(t.Context(), sink.Batch{Payload: encode(many...), Token: "many"})
	var refused *sink.Refusal
	if !errors.As(err, &refused) || refused.Reason != sink.ReasonDestination {
		t.Errorf("too many partitions: %v", err)
	}
	for _, token := range []string{"a", "b", "c"} {
		if err = k.Store(t.Context(), sink.Batch{Payload: encode(sample()), Token: token}); err != nil {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "Too many parts") || errors.As(err, &refused) {
		t.Errorf("too many parts: %v", err)
	}
}

func TestTablesAreMadeWhereTheConfigurationAsksForThem(t *testing.T) {
	s := clickhousetest.Start(t)
	c := Config{URL: s.URL()}
	c.SetDefaults()
	check := func(version int, says string) {
		t.Helper()
		schema, err := New(c).Check(t.Context())
		if err != nil || !schema.Known || schema.Version != version || schema.Wanted != Version || (schema.Problem == "") != (says == "") ||
			!strings.Contains(schema.Problem, says) {
			t.Errorf("%+v, %v: want version %d, and %q", schema, err, version, says)
		}
	}
	check(0, "there are no tables")
	c.CreateTables = true
	for range 2 {
		check(Version, "")
	}
	store(t, New(c), "a", sample())
	s.Query("CREATE OR REPLACE VIEW flowfleet.schema_version AS SELECT 99 AS version")
	check(99, "version 99")
	s.Kill()
	if schema, err := New(c).Check(t.Context()); err == nil || schema.Known {
		t.Errorf("while nobody answers: %+v, %v", schema, err)
	}
}

// All of a cluster's statements but what Keeper does: they make the tables, flows go in and are read through the tables of all shards.
func TestStatementsForAClusterWorkButForKeeper(t *testing.T) {
	s := clickhousetest.Start(t)
	s.Kill()
	s.RestartAsCluster("main", 1)
	tables := Tables{Database: "flowfleet", Cluster: "main"}
	alone := strings.NewReplacer(" ON CLUSTER 'main'", "", "ENGINE = Replicated", "ENGINE = ")
	for range 2 { // missing, and there
		for _, statement := range tables.Statements() {
			s.Query(alone.Replace(statement))
		}
	}
	c := Config{URL: s.URL()}
	c.SetDefaults()
	k := New(c)
	store(t, k, "a", sample(), sample())
	expect(t, s, "SELECT sum(bytes), sum(scaled_bytes) FROM flowfleet.flows_all", "3000\t3000000")
	for _, r := range rollups {
		for _, i := range []interval{oneMinute, fiveMinutes} {
			expect(t, s, "SELECT sum(bytes) > 0 FROM flowfleet."+r.table(i)+"_all", "1")
		}
	}
	expect(t, s, "SELECT sum(stored) FROM flowfleet.completeness(from = '2023-11-14 22:00:00', to = '2023-11-14 23:00:00')", "2")
	if schema, err := k.Check(t.Context()); err != nil || schema.Problem != "" {
		t.Errorf("%+v, %v", schema, err)
	}
}

// Without a cluster, no engine can say more of the whole statements than that they can be read.
func TestStatementsForAClusterCanBeRead(t *testing.T) {
	s := clickhousetest.Start(t)
	for _, statement := range (Tables{Database: "flows", Cluster: "main", Retention: DefaultTables.Retention}).Statements() {
		if answer, ok := s.Try("SELECT formatQuery('" + strings.ReplaceAll(strings.ReplaceAll(statement, `\`, `\\`), "'", `\'`) + "')"); !ok {
			t.Errorf("%s\n%s", statement, answer)
		}
	}
}

func TestCodesAreClickHouses(t *testing.T) {
	s := clickhousetest.Start(t)
	for code, name := range dataCodes {
		expect(t, s, "SELECT errorCodeToName("+strconv.Itoa(code)+")", name)
	}
	expect(t, s, "SELECT errorCodeToName("+strconv.Itoa(tooManyParts)+")", "TOO_MANY_PARTS")
	expect(t, s, "SELECT errorCodeToName("+strconv.Itoa(unknownTable)+")", "UNKNOWN_TABLE")
	expect(t, s, "SELECT errorCodeToName("+strconv.Itoa(unknownDatabase)+")", "UNKNOWN_DATABASE")
}

// "INSERT INTO table.flows_raw" is none into a database of this name.
func TestFlowsGoIntoADatabaseWhoseNameIsAWordOfSQL(t *testing.T) {
	s := clickhousetest.Start(t)
	for _, name := range []string{"table", "function", "select", "Null"} {
		for _, statement := range (Tables{Database: name}).Statements() {
			s.Query(statement)
		}
		c := Config{URL: s.URL(), Database: name}
		c.SetDefaults()
		k := New(c)
		store(t, k, "a", sample())
		line := (&ledger.Minute{Minute: 1_700_000_000, Kind: ledger.KindStream, Exporter: "192.0.2.1"}).AppendLine(nil)
		if err := k.Store(t.Context(), sink.Batch{Payload: line, Token: "b", Ledger: true}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if found, err := k.Check(t.Context()); err != nil || found.Problem != "" {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
		expect(t, s, "SELECT (SELECT count() FROM `"+name+"`.flows), (SELECT sum(flows) FROM `"+name+"`.as_1m), (SELECT count() FROM `"+name+"`.ledger_minutes)", "1\t1\t1")
	}
}
