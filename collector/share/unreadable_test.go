package share

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/template"
)

// Somebody puts what no collector can read in the place of a definition, as new as can be. It is replaced with the exporter's next change, and without
// one when the bucket is listed again.
func TestWhatNobodyCanReadIsReplaced(t *testing.T) {
	record := func(id uint16) []byte { return []byte{byte(id >> 8), byte(id), 0, 1, 0, 1, 0, 4} }
	newest := template.StampOf(math.MaxUint32)
	unreadable := map[uint16][]byte{
		300: {},
		301: {schema},
		302: EncodeValue(Value{Kind: template.KindData, Stamp: newest, Heard: time.Now(), Record: []byte("nothing")}),
		303: EncodeValue(Value{Kind: template.KindData, Stamp: newest, Heard: time.Now(), Record: record(304)}),
		304: EncodeValue(Value{Kind: template.KindSampling, Stamp: newest, Heard: time.Now(), Record: record(304)}),
		305: EncodeValue(Value{Kind: template.KindData, Stamp: math.MaxUint64, Heard: time.Now(), Record: record(305)}),
		306: EncodeValue(Value{Kind: template.KindData, Stamp: newest, Heard: time.Now(), Record: append(record(306), 0)}),
	}
	for name, want := range map[string]uint16{"with a change": 8, "without": 2} {
		t.Run(name, func(t *testing.T) {
			s := natstest.Start(t)
			a := join(t, s)
			<-a.bucket.Loaded()
			js, err := jetstream.New(s.Connect())
			if err != nil {
				t.Fatal(err)
			}
			kv, err := js.KeyValue(context.Background(), "flowfleet-templates")
			if err != nil {
				t.Fatal(err)
			}
			for id := range unreadable {
				a.learn(2055, id, 2, 100)
			}
			a.settled()
			last := uint64(0)
			for id, value := range unreadable {
				if last, err = kv.Put(context.Background(), EncodeKey(template.Key{Scope: scope, Port: 2055, ID: uint64(id)}), value); err != nil {
					t.Fatal(err)
				}
			}
			a.sees(last)
			if want != 2 {
				for id := range unreadable {
					a.learn(2055, id, want, 101)
				}
			} else {
				deleteConsumers(t, s)
				a.learn(2055, 400, 4, 100) // the watch is noticed to be dead, and the bucket listed again
			}
			natstest.Eventually(t, "all are replaced", func() bool {
				a.settled()
				b := join(t, s)
				<-b.bucket.Loaded()
				for id := range unreadable {
					if b.length(2055, id) != want {
						return false
					}
				}
				return true
			})
		})
	}
}

// So it is for the list of a table's pages.
func TestAListOfPagesThatNobodyCanReadIsReplaced(t *testing.T) {
	newest := template.StampOf(math.MaxUint32)
	key := template.Key{Family: template.FamilyNames, Scope: template.Scope{Exporter: address}, ID: uint64(names.Interfaces)}
	manifest := (&names.Manifest{}).Encode()
	for name, value := range map[string]Value{
		"cut short":       {Kind: template.KindNames, Stamp: newest, Heard: time.Now(), Record: manifest[:3]},
		"of another kind": {Kind: template.KindClock, Stamp: newest, Heard: time.Now(), Record: manifest},
	} {
		for _, changes := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, with a change: %t", name, changes), func(t *testing.T) {
				s := natstest.Start(t)
				a := join(t, s)
				<-a.bucket.Loaded()
				js, err := jetstream.New(s.Connect())
				if err != nil {
					t.Fatal(err)
				}
				kv, err := js.KeyValue(context.Background(), "flowfleet-templates")
				if err != nil {
					t.Fatal(err)
				}
				a.say("eth", 3, 100)
				a.tell()
				last, err := kv.Put(context.Background(), EncodeKey(key), EncodeValue(value))
				if err != nil {
					t.Fatal(err)
				}
				a.sees(last)
				prefix := "eth"
				if changes {
					prefix = "ge-"
					a.say(prefix, 3, 101)
					a.tell()
				} else {
					deleteConsumers(t, s)
					a.learn(2055, 400, 4, 100) // the watch is noticed to be dead, and the bucket listed again
				}
				natstest.Eventually(t, "it is replaced", func() bool {
					a.settled()
					b := join(t, s)
					<-b.bucket.Loaded()
					return b.named(prefix, 3)
				})
			})
		}
	}
}

// sees waits until the member knows of a revision.
func (m *member) sees(revision uint64) {
	m.t.Helper()
	natstest.Eventually(m.t, "it is seen", func() bool {
		m.bucket.mu.Lock()
		defer m.bucket.mu.Unlock()
		seen := uint64(0)
		for _, k := range m.bucket.known {
			seen = max(seen, k.revision)
		}
		return seen >= revision
	})
}
