package decode_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	flowpb "github.com/netsampler/goflow2/v2/pb"
	protoproducer "github.com/netsampler/goflow2/v2/producer/proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

// referenceVariable makes the test binary goflow2's decoders in a process of their own: damaged datagrams can make them loop
// for ever or take all memory there is.
const referenceVariable = "FLOWFLEET_TEST_REFERENCE"

func TestMain(m *testing.M) {
	if os.Getenv(referenceVariable) != "" {
		if err := serveReference(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serveReference reads datagrams, each behind its length, and answers with how many messages it gives and these, each behind
// its length; -1 for an error. A datagram of length 0 forgets all templates.
func serveReference(in io.Reader, out io.Writer) error {
	reference, err := makeGoflow2()
	if err != nil {
		return err
	}
	for {
		var length uint32
		if err := binary.Read(in, binary.BigEndian, &length); errors.Is(err, io.EOF) {
			return nil // the test is over
		} else if err != nil {
			return err
		}
		if length == 0 {
			if reference, err = makeGoflow2(); err != nil {
				return err
			}
			continue
		}
		datagram := make([]byte, length)
		if _, err := io.ReadFull(in, datagram); err != nil {
			return err
		}
		messages, err := reference.produce(datagram)
		count := int32(len(messages))
		if err != nil {
			count = -1
		}
		answer := binary.BigEndian.AppendUint32(nil, uint32(count))
		for _, m := range messages[:max(count, 0)] {
			b, err := proto.Marshal(&m.(*protoproducer.ProtoProducerMessage).FlowMessage)
			if err != nil {
				return err
			}
			answer = append(binary.BigEndian.AppendUint32(answer, uint32(len(b))), b...)
		}
		if _, err := out.Write(answer); err != nil {
			return err
		}
	}
}

// referenceProcess is goflow2 with a limit on time and memory. It is started again when it is gone.
type referenceProcess struct {
	t       *testing.T
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

func (p *referenceProcess) start() {
	p.t.Helper()
	p.command = exec.Command("sh", "-c", `ulimit -v 4000000; exec "$0"`, os.Args[0])
	p.command.Env = append(os.Environ(), referenceVariable+"=1")
	var err error
	if p.in, err = p.command.StdinPipe(); err != nil {
		p.t.Fatal(err)
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.command.Start(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *referenceProcess) stop() {
	if p.command != nil {
		_ = p.command.Process.Kill()
		_ = p.command.Wait() // it was killed
		p.command = nil
	}
}

var (
	errRefused = errors.New("goflow2 refuses it")
	errDied    = errors.New("goflow2 does not survive it, or takes longer than two seconds")
)

func (p *referenceProcess) forget() {
	if p.command == nil {
		p.start()
	}
	_, _ = p.in.Write(make([]byte, 4)) // the next answer tells whether it was read
}

func (p *referenceProcess) produce(datagram []byte) (messages []*flowpb.FlowMessage, err error) {
	if p.command == nil {
		p.start()
	}
	timer := time.AfterFunc(2*time.Second, func() { _ = p.command.Process.Kill() })
	defer timer.Stop()
	_, err = p.in.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(datagram))), datagram...))
	var count int32
	if err = errors.Join(err, binary.Read(p.out, binary.BigEndian, &count)); err != nil {
		p.stop()
		return nil, errDied
	}
	if count < 0 {
		return nil, errRefused
	}
	for range count {
		var length uint32
		if err := binary.Read(p.out, binary.BigEndian, &length); err != nil {
			p.stop()
			return nil, errDied
		}
		b := make([]byte, length)
		m := &flowpb.FlowMessage{}
		if _, err := io.ReadFull(p.out, b); err != nil {
			p.stop()
			return nil, errDied
		}
		if err := proto.Unmarshal(b, m); err != nil {
			p.t.Fatal(err)
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// damage changes some bytes of a datagram behind a number of them, or cuts it.
func damage(random *rand.Rand, datagram []byte, behind int) []byte {
	b := slices.Clone(datagram)
	if random.IntN(8) == 0 {
		return b[:4+random.IntN(len(b)-4)]
	}
	for range 1 + random.IntN(3) {
		b[behind+random.IntN(len(b)-behind)] = byte(random.Uint32())
	}
	return b
}

// explained names why goflow2's messages of a damaged datagram differ from ours, "" where nothing does.
func explained(name string, datagram []byte, counts *ledger.Counts, want, got []*flowpb.FlowMessage) string {
	switch {
	case name == "NetFlow v5" && int(binary.BigEndian.Uint16(datagram[2:]))*48 > len(datagram)-24:
		return "v5: records that the header promises and the datagram does not carry are no records"
	case counts[ledger.SetsDroppedMalformed] > 0:
		return "a set that contradicts its message is discarded and counted (RFC 7011 section 9.1)"
	case counts[ledger.DatagramsTruncated]+counts[ledger.SamplesDroppedMalformed]+counts[ledger.RecordsTruncated] > 0:
		return "what a length promises and the datagram does not carry is left out and counted"
	case counts[ledger.SamplesDroppedNoPacket] > 0:
		return "a sample that says nothing of a packet is none, and is counted"
	case name == "sFlow" && counts[ledger.DatagramsTrailing] > 0:
		return "a part that the datagram has is read where the last sample says too short a length"
	case counts[ledger.SetsDroppedReserved]+counts.SetsWaiting() > 0:
		return "a set whose id was damaged waits for its template, or has a reserved id, and is counted"
	case len(want) != len(got):
		return ""
	}
	for i := range want {
		w, g := proto.CloneOf(want[i]), proto.CloneOf(got[i])
		if name == "sFlow" {
			if !slices.Equal(w.LayerStack, g.LayerStack) || !slices.Equal(w.LayerSize, g.LayerSize) || g.FragmentOffset > 0 {
				// The sampled packet itself is damaged: which of its layers are believed differs (RFC 791 sections 3.1 and 3.2,
				// RFC 8200 section 4), all else must not.
				for _, m := range []*flowpb.FlowMessage{w, g} {
					forgetPacket(m)
				}
			}
			w.LayerStack, w.LayerSize, g.LayerStack, g.LayerSize = nil, nil, nil, nil
			if g.OutIf == 0 { // sFlow version 5, "interface": a reason, or a number of interfaces, is the index of none
				w.OutIf, g.ForwardingStatus = 0, 0
			}
			forgetSpecial(w)
			if g.InIf == 0 { // the same of an input whose format says that there is none
				w.InIf = 0
			}
			if w.Etype < 0x0600 { // IEEE 802.3 clause 3.2.6: a length is no type
				w.Etype = 0
			}
		}
		forgetLengths(w, name != "sFlow")
		// A flow that ends before it begins, or in the future: uptime wrapped (RFC 3954 section 5.1), see TestUptimeWraps.
		w.TimeFlowStartNs, w.TimeFlowEndNs, g.TimeFlowStartNs, g.TimeFlowEndNs = 0, 0, 0, 0
		if !proto.Equal(w, g) {
			return ""
		}
	}
	return "times before the exporter's start or after its export, outputs that are no interface, and layers of damaged packets"
}

// forgetSpecial clears what an sFlow agent says for "none", or what is none: the device itself and formats of interfaces (sFlow version 5,
// "interface"), ids that no VLAN has (IEEE 802.1Q clause 9.6), and the AS that nobody has (RFC 7300).
func forgetSpecial(m *flowpb.FlowMessage) {
	for _, field := range []struct {
		value *uint32
		last  uint32
	}{{&m.InIf, 1<<30 - 2}, {&m.SrcVlan, 4094}, {&m.DstVlan, 4094}} {
		if *field.value > field.last {
			*field.value = 0
		}
	}
}

// forgetLengths clears lengths of prefixes that are more than an address has bits (IANA, elements 9 and 13: 0 to 32; 29 and 30: 0 to 128).
func forgetLengths(m *flowpb.FlowMessage, byFamily bool) {
	for _, end := range []struct {
		length  *uint32
		address []byte
	}{{&m.SrcNet, m.SrcAddr}, {&m.DstNet, m.DstAddr}} {
		if most := uint32(128); *end.length > most || byFamily && len(end.address) == 4 && *end.length > 32 {
			*end.length = 0
		}
	}
}

// forgetPacket clears what stands in the sampled packet behind its Ethernet header.
func forgetPacket(m *flowpb.FlowMessage) {
	m.SrcAddr, m.DstAddr, m.SrcPort, m.DstPort, m.Proto, m.TcpFlags, m.IcmpType, m.IcmpCode = nil, nil, 0, 0, 0, 0, 0, 0
	m.IpTos, m.IpTtl, m.IpFlags, m.FragmentId, m.FragmentOffset, m.Ipv6FlowLabel, m.Etype = 0, 0, 0, 0, 0, 0, 0
	m.Ipv6RoutingHeaderAddresses, m.Ipv6RoutingHeaderSegLeft = nil, 0
	m.MplsLabel, m.MplsTtl, m.MplsIp, m.VlanId = nil, nil, nil, 0
}

// TestDamagedDatagramsDecodeAsGoflow2WouldOrForAReason damages generated datagrams and compares what both make of them.
// FLOWFLEET_TEST_DAMAGED is how many seeds are tried.
func TestDamagedDatagramsDecodeAsGoflow2WouldOrForAReason(t *testing.T) {
	seeds := uint64(150)
	if n, err := strconv.ParseUint(os.Getenv("FLOWFLEET_TEST_DAMAGED"), 10, 32); err == nil {
		seeds = n
	}
	reference := &referenceProcess{t: t}
	defer reference.stop()
	reasons := make(map[string]int)
	for seed := range seeds {
		random := rand.New(rand.NewPCG(seed, 99))
		all := generated(seed)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			datagrams := all[name]
			mine := newOurs()
			reference.forget()
			last := datagrams[len(datagrams)-1]
			for _, d := range datagrams[:len(datagrams)-1] {
				if _, err := reference.produce(d); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				mine.decode(d)
			}
			behind := 0
			if random.IntN(2) == 0 {
				behind = map[string]int{"NetFlow v5": 24, "NetFlow v9": 24, "NetFlow, all": 24, "sFlow": 60}[name]
				if behind == 0 {
					behind = 20
				}
			}
			damaged := damage(random, last, min(behind, len(last)-1))
			want, err := reference.produce(slices.Clone(damaged))
			mine.decode(damaged)
			got := mine.messages(t)
			sets, _ := mine.decoder.Held()
			assertLedger(t, &mine.counts, sets)
			if err != nil {
				reasons[err.Error()]++
				continue
			}
			if want = slices.DeleteFunc(want, saysNothing); len(want) == 0 {
				want = nil
			}
			for _, m := range want {
				correct(m)
			}
			diff := cmp.Diff(want, got, protocmp.Transform())
			if diff == "" {
				reasons["the same"]++
				continue
			}
			reason := explained(name, damaged, &mine.counts, want, got)
			if reason == "" {
				t.Errorf("%s, seed %d, not explained (-goflow2 +ours):\n%s\n%x", name, seed, diff, damaged)
			}
			reasons[reason]++
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		t.Logf("%5d %s", reasons[reason], reason)
	}
}
