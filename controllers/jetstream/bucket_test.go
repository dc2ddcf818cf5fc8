package jetstream

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/share"
)

func TestAMissingBucketIsCreatedOwnedAndAsAsked(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	count := writes(t, s)
	want := templates(func(c *config.TemplateStore) {
		c.History, c.TTL, c.Storage = 3, config.Duration(time.Hour), config.StorageMemory
	})
	b := mustBucket(t, c, edge, want, false)
	if !b.Created || !b.Managed || b.History != 3 || b.Replicas != 1 || b.TTL != time.Hour || b.Keys != 0 {
		t.Errorf("%+v", b)
	}
	saysNothing(t, b.Kept)
	have := configOf(t, js, "KV_flowfleet-templates")
	owned := map[string]string{"flowfleet.io/namespace": "network", "flowfleet.io/name": "edge", "flowfleet.io/uid": "uid-1"}
	if diff := cmp.Diff(owned, have.Metadata); diff != "" {
		t.Error(diff)
	}
	// In all else it is what a collector would have made.
	have.Metadata = nil
	if diff := cmp.Diff(bucketAsCollectors(t, want), have); diff != "" {
		t.Error(diff)
	}
	if n := count(c); n != 1 {
		t.Errorf("%d writes to create it", n)
	}
}

func TestASecondPassWritesNothing(t *testing.T) {
	s := natstest.Start(t)
	c := open(t, s.URL())
	mustBucket(t, c, edge, templates(), false)
	mustStream(t, c, edge, flows(), false)
	count := writes(t, s)
	for range 3 {
		b := mustBucket(t, c, edge, templates(), true)
		f := mustStream(t, c, edge, flows(), true)
		saysNothing(t, append(append(b.Changed, b.Kept...), append(f.Changed, f.Kept...)...))
		if b.Created || f.Created || !b.Managed || !f.Managed {
			t.Errorf("%+v, %+v", b, f)
		}
	}
	if n := count(c); n != 0 {
		t.Errorf("%d writes", n)
	}
}

func TestABucketThatACollectorMadeIsClaimed(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	kv, err := js.CreateKeyValue(background(t), share.BucketConfig(templates()))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{key, "s1.netflow9.192-0-2-1.7.2055.system"} {
		if _, err := kv.PutString(background(t), k, "x"); err != nil {
			t.Fatal(err)
		}
	}
	c := open(t, s.URL())
	b := mustBucket(t, c, edge, templates(func(c *config.TemplateStore) { c.History = 2 }), false)
	if b.Created || !b.Managed || b.Keys != 2 || b.Bytes == 0 || b.History != 2 {
		t.Errorf("%+v", b)
	}
	says(t, b.Changed, "claimed")
	says(t, b.Changed, "history raised from 1 to 2")
	if owner, _, _ := ownerIn(configOf(t, js, "KV_flowfleet-templates").Metadata); owner != edge {
		t.Errorf("it belongs to %+v", owner)
	}
}

func TestABucketThatAnAdministratorMadeIsUsedAsItIs(t *testing.T) {
	for _, test := range []struct {
		name string
		have jetstream.KeyValueConfig
		kept []string // one line with all of these
	}{
		{"larger", jetstream.KeyValueConfig{History: 10, MaxBytes: -1},
			[]string{"history is 10", "templateStore.history says 2", "never changed"}},
		{"smaller", jetstream.KeyValueConfig{History: 1, TTL: time.Minute, MaxBytes: 4096, Description: "of the network team"},
			[]string{"ttl is 1m0s", "templateStore.ttl says 720h0m0s"}},
		{"other storage", jetstream.KeyValueConfig{History: 2, MaxBytes: 1 << 20, Storage: jetstream.MemoryStorage},
			[]string{"storage is Memory", "templateStore.storage says File", "cannot change"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := natstest.Start(t)
			js := administrator(t, s)
			test.have.Bucket = "flowfleet-templates"
			if _, err := js.CreateKeyValue(background(t), test.have); err != nil {
				t.Fatal(err)
			}
			before := configOf(t, js, "KV_flowfleet-templates")
			c := open(t, s.URL())
			count := writes(t, s)
			b := mustBucket(t, c, edge, templates(func(c *config.TemplateStore) { c.History = 2 }), true)
			if b.Managed || b.Created || b.History != int(test.have.History) || b.TTL != test.have.TTL {
				t.Errorf("%+v", b)
			}
			saysNothing(t, b.Changed)
			says(t, b.Kept, test.kept...)
			deleted, err := c.DeleteBucket(background(t), edge, "flowfleet-templates")
			var foreign *ForeignError
			if deleted || !errors.As(err, &foreign) || !strings.Contains(err.Error(), "left as it is") {
				t.Errorf("deleted: %t, %v", deleted, err)
			}
			if diff := cmp.Diff(before, configOf(t, js, "KV_flowfleet-templates")); diff != "" {
				t.Error(diff)
			}
			if n := count(c); n != 0 {
				t.Errorf("%d writes", n)
			}
		})
	}
}

func TestSettingsOfABucketAreRaisedAndNeverLoweredUnasked(t *testing.T) {
	hour := config.Duration(time.Hour)
	type settings = config.TemplateStore
	for _, test := range []struct {
		name           string
		have, want     func(*settings)
		field          string
		raised         string
		lowered, stays string // the way back, with and without allowReduction
	}{
		{"history", func(c *settings) { c.History = 2 }, func(c *settings) { c.History = 5 }, "MaxMsgsPerSubject",
			"history raised from 2 to 5", "history lowered from 5 to 2", "history is 5, more than the 2 of templateStore.history"},
		{"ttl", func(c *settings) { c.TTL = hour }, func(c *settings) { c.TTL = 2 * hour }, "MaxAge",
			"ttl raised from 1h0m0s to 2h0m0s", "ttl lowered from 2h0m0s to 1h0m0s", "ttl is 2h0m0s, more than the 1h0m0s"},
		{"ttl without end", func(c *settings) { c.TTL = hour }, func(c *settings) { c.TTL = 0 }, "MaxAge",
			"ttl raised from 1h0m0s to for ever", "ttl lowered from for ever to 1h0m0s", "ttl is for ever, more than the 1h0m0s"},
		{"size", func(c *settings) { c.MaxBytes = 1 << 20 }, func(c *settings) { c.MaxBytes = 1 << 21 }, "MaxBytes",
			"maxBytes raised from 1Mi to 2Mi", "maxBytes lowered from 2Mi to 1Mi", "maxBytes is 2Mi, more than the 1Mi"},
		{"size without limit", func(c *settings) { c.MaxBytes = 1 << 20 }, func(c *settings) { c.MaxBytes = -1 }, "MaxBytes",
			"maxBytes raised from 1Mi to unlimited", "maxBytes lowered from unlimited to 1Mi", "maxBytes is unlimited, more than the 1Mi"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := natstest.Start(t)
			js := administrator(t, s)
			c := open(t, s.URL())
			mustBucket(t, c, edge, templates(test.have), false)
			low := configOf(t, js, "KV_flowfleet-templates")

			b := mustBucket(t, c, edge, templates(test.want), false)
			if diff := cmp.Diff([]string{test.raised}, b.Changed); diff != "" {
				t.Error(diff)
			}
			high := configOf(t, js, "KV_flowfleet-templates")
			if diff := cmp.Diff(low, high, cmpopts.IgnoreFields(low, test.field)); diff != "" {
				t.Errorf("more than %s changed: %s", test.field, diff)
			}
			if cmp.Equal(low, high) {
				t.Error("nothing was raised")
			}

			count := writes(t, s)
			b = mustBucket(t, c, edge, templates(test.have), false)
			saysNothing(t, b.Changed)
			says(t, b.Kept, test.stays, "templateStore.allowReduction")
			if diff := cmp.Diff(high, configOf(t, js, "KV_flowfleet-templates")); diff != "" {
				t.Errorf("it was lowered: %s", diff)
			}
			if n := count(c); n != 0 {
				t.Errorf("%d writes", n)
			}

			b = mustBucket(t, c, edge, templates(test.have), true)
			if diff := cmp.Diff([]string{test.lowered}, b.Changed); diff != "" {
				t.Error(diff)
			}
			saysNothing(t, b.Kept)
			if diff := cmp.Diff(low, configOf(t, js, "KV_flowfleet-templates")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestStorageIsReportedSinceItCannotChange(t *testing.T) {
	s := natstest.Start(t)
	c := open(t, s.URL())
	mustBucket(t, c, edge, templates(), false)
	b := mustBucket(t, c, edge, templates(func(c *config.TemplateStore) { c.Storage = config.StorageMemory }), true)
	saysNothing(t, b.Changed)
	says(t, b.Kept, "storage is File", "templateStore.storage says Memory", "cannot change")
}

func TestSettingsThatOthersMadeSurviveAChange(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	mustBucket(t, c, edge, templates(), false)
	set := configOf(t, js, "KV_flowfleet-templates")
	set.Compression = jetstream.S2Compression
	set.Placement = &jetstream.Placement{Tags: []string{}}
	set.MaxMsgSize = 2000
	set.MaxMsgs = 123456
	set.MaxConsumers = -1
	set.Duplicates = 30 * time.Second
	set.AllowMsgTTL, set.SubjectDeleteMarkerTTL = true, time.Minute
	set.RePublish = &jetstream.RePublish{Source: "$KV.flowfleet-templates.>", Destination: "changes.>"}
	set.AllowAtomicPublish = true
	set.Description = "templates (see the runbook)"
	set.Metadata["team"] = "network"
	if _, err := js.UpdateStream(background(t), set); err != nil {
		t.Fatal(err)
	}
	before := configOf(t, js, "KV_flowfleet-templates")
	b := mustBucket(t, c, again, templates(func(c *config.TemplateStore) { c.History = 7 }), false)
	says(t, b.Changed, "taken over")
	after := configOf(t, js, "KV_flowfleet-templates")
	if after.Metadata["team"] != "network" || after.MaxMsgsPerSubject != 7 {
		t.Errorf("%+v", after)
	}
	if diff := cmp.Diff(before, after, cmpopts.IgnoreFields(after, "MaxMsgsPerSubject", "Metadata")); diff != "" {
		t.Error(diff)
	}
}

// Servers allow a stream 1,000 consumers unless it says a number itself, and each collector has one.
func TestABucketOfALargeFleetHasAConsumerForEachCollector(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	saysNothing(t, mustBucket(t, c, edge, templates(), false).Changed)
	join := func(n int) {
		t.Helper()
		for range n {
			if _, err := js.CreateConsumer(background(t), "KV_flowfleet-templates", jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy}); err != nil {
				t.Fatal(err)
			}
		}
	}
	join(manyConsumers - 1)
	saysNothing(t, mustBucket(t, c, edge, templates(), false).Changed)
	join(1)
	says(t, mustBucket(t, c, edge, templates(), false).Changed, "consumers allowed: 100000", "has 500")
	join(600)
	saysNothing(t, mustBucket(t, c, edge, templates(), false).Changed)
}

func TestABucketOfAnotherFlowCollectorIsAConflictAndLeftAlone(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	mustBucket(t, c, other, templates(), false)
	before := configOf(t, js, "KV_flowfleet-templates")
	count := writes(t, s)
	_, err := c.EnsureBucket(background(t), edge, templates(func(c *config.TemplateStore) { c.History = 9 }), true)
	var conflict *ConflictError
	if !errors.As(err, &conflict) || conflict.Owner != other || !strings.Contains(err.Error(), "FlowCollector network/core") {
		t.Errorf("%v", err)
	}
	deleted, err := c.DeleteBucket(background(t), edge, "flowfleet-templates")
	if deleted || !errors.As(err, &conflict) || !strings.Contains(err.Error(), "network/core and is left to it") {
		t.Errorf("deleted: %t, %v", deleted, err)
	}
	if diff := cmp.Diff(before, configOf(t, js, "KV_flowfleet-templates")); diff != "" {
		t.Error(diff)
	}
	if n := count(c); n != 0 {
		t.Errorf("%d writes", n)
	}
	// The same name in another namespace is another one too.
	_, err = c.EnsureBucket(background(t), Owner{Namespace: "elsewhere", Name: "core", UID: "uid-2"}, templates(), false)
	if !errors.As(err, &conflict) {
		t.Errorf("%v", err)
	}
}

func TestABucketThatWasRetainedIsTakenOverByTheObjectMadeAnew(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	mustBucket(t, c, edge, templates(), false)
	b := mustBucket(t, c, again, templates(), false)
	says(t, b.Changed, "taken over", "uid-1")
	if owner, former, _ := ownerIn(configOf(t, js, "KV_flowfleet-templates").Metadata); owner != again || len(former) != 1 {
		t.Errorf("%+v after %q", owner, former)
	}
	deleted, err := c.DeleteBucket(background(t), again, "flowfleet-templates")
	if !deleted || err != nil {
		t.Errorf("deleted: %t, %v", deleted, err)
	}
}

func TestTwoThatLiveUnderOneNameDoNotFight(t *testing.T) {
	s := natstest.Start(t)
	c := open(t, s.URL())
	mustBucket(t, c, edge, templates(), false)
	mustBucket(t, c, again, templates(), false) // such as in another cluster: no object that was deleted can come back
	count := writes(t, s)
	for range 3 {
		_, err := c.EnsureBucket(background(t), edge, templates(), false)
		var conflict *ConflictError
		if !errors.As(err, &conflict) || conflict.Owner != again || !strings.Contains(err.Error(), "another cluster") {
			t.Errorf("%v", err)
		}
		mustBucket(t, c, again, templates(), false)
	}
	if n := count(c); n != 0 {
		t.Errorf("%d writes", n)
	}
	// Neither deletes what the other has.
	if deleted, err := c.DeleteBucket(background(t), edge, "flowfleet-templates"); deleted || err == nil {
		t.Errorf("deleted: %t, %v", deleted, err)
	}
}

func TestFormerOwnersAreBounded(t *testing.T) {
	metadata := map[string]string{}
	for i := range 100 {
		Owner{Namespace: "network", Name: "edge", UID: strings.Repeat("u", i+1)}.sign(metadata)
	}
	_, former, _ := ownerIn(metadata)
	if len(former) != formerKept || former[formerKept-1] != strings.Repeat("u", 99) {
		t.Errorf("%d: %q", len(former), former)
	}
}

func TestWhatIsNoBucketOfOursIsForeign(t *testing.T) {
	put := func(bucket jetstream.KeyValueConfig, keys ...string) func(*testing.T, jetstream.JetStream) {
		return func(t *testing.T, js jetstream.JetStream) {
			bucket.Bucket = "flowfleet-templates"
			kv, err := js.CreateKeyValue(background(t), bucket)
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range keys {
				if _, err := kv.PutString(background(t), k, "x"); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	stream := func(c jetstream.StreamConfig) func(*testing.T, jetstream.JetStream) {
		return func(t *testing.T, js jetstream.JetStream) {
			c.Name = "KV_flowfleet-templates"
			natstest.CreateStream(t, js, c)
		}
	}
	ours := share.BucketConfig(templates())
	for _, test := range []struct {
		name    string
		prepare func(*testing.T, jetstream.JetStream)
		reason  string // empty: it can be used
	}{
		{"a stream of other subjects", stream(jetstream.StreamConfig{Subjects: []string{"orders.>"}}), "no key-value bucket"},
		{"a bucket's subjects without a history", stream(jetstream.StreamConfig{Subjects: []string{"$KV.flowfleet-templates.>"}}), "no key-value bucket"},
		{"another program's keys", put(jetstream.KeyValueConfig{}, "leader"), `in use by something else (key "leader"`},
		{"another program's keys after one of ours", put(jetstream.KeyValueConfig{}, key, "sessions.1"), "in use by something else"},
		{"our description, another program's keys", put(ours, "leader"), "in use by something else"},
		{"keys of ours", put(jetstream.KeyValueConfig{}, key), ""},
		{"no keys", put(jetstream.KeyValueConfig{}), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := natstest.Start(t)
			js := administrator(t, s)
			test.prepare(t, js)
			before := configOf(t, js, "KV_flowfleet-templates")
			c := open(t, s.URL())
			_, err := c.EnsureBucket(background(t), edge, templates(), true)
			var foreign *ForeignError
			switch {
			case test.reason == "" && err != nil:
				t.Error(err)
			case test.reason == "":
			case !errors.As(err, &foreign) || !strings.Contains(err.Error(), test.reason):
				t.Errorf("%v", err)
			}
			if diff := cmp.Diff(before, configOf(t, js, "KV_flowfleet-templates")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAMirrorOfABucketIsUsedAsItIs(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	kv, err := js.CreateKeyValue(background(t), jetstream.KeyValueConfig{Bucket: "origin"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(background(t), key, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateKeyValue(background(t), jetstream.KeyValueConfig{Bucket: "flowfleet-templates", Mirror: &jetstream.StreamSource{Name: "origin"}}); err != nil {
		t.Fatal(err)
	}
	c := open(t, s.URL())
	natstest.Eventually(t, "the mirror has the key", func() bool {
		b := mustBucket(t, c, edge, templates(), false)
		return b.Keys == 1 && !b.Managed
	})
}

func TestOnlyWhatIsOwnedIsDeletedAndMissingIsFine(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	for _, test := range []struct {
		stream string
		ensure func(Owner)
		remove func(Owner) (bool, error)
	}{
		{"KV_flowfleet-templates", func(o Owner) { mustBucket(t, c, o, templates(), false) },
			func(o Owner) (bool, error) { return c.DeleteBucket(background(t), o, "flowfleet-templates") }},
		{"flows", func(o Owner) { mustStream(t, c, o, flows(), false) },
			func(o Owner) (bool, error) { return c.DeleteStream(background(t), o, "flows") }},
	} {
		if deleted, err := test.remove(edge); deleted || err != nil {
			t.Errorf("%s is missing: deleted %t, %v", test.stream, deleted, err)
		}
		test.ensure(edge)
		// An object of the same name is not the same object: deleting cannot be undone.
		var conflict *ConflictError
		if deleted, err := test.remove(again); deleted || !errors.As(err, &conflict) || !exists(t, js, test.stream) {
			t.Errorf("%s is another's: deleted %t, %v", test.stream, deleted, err)
		}
		if deleted, err := test.remove(edge); !deleted || err != nil || exists(t, js, test.stream) {
			t.Errorf("%s is owned: deleted %t, %v", test.stream, deleted, err)
		}
	}
}

func TestManyThatCreateAtOnceAgree(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	const passes = 8
	for _, test := range []struct {
		name   string
		owner  func(i int) Owner
		owners int
	}{
		{"one owner and collectors", func(int) Owner { return edge }, passes},
		{"an owner each", func(i int) Owner {
			return Owner{Namespace: "network", Name: string(rune('a' + i)), UID: string(rune('a' + i))}
		}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := strings.ReplaceAll(test.name, " ", "-")
			want := templates(func(c *config.TemplateStore) { c.Bucket = name })
			var managed, conflicts int
			var mu sync.Mutex
			var all sync.WaitGroup
			for i := range passes {
				c := open(t, s.URL())
				all.Go(func() {
					b, err := c.EnsureBucket(background(t), test.owner(i), want, false)
					mu.Lock()
					defer mu.Unlock()
					var conflict *ConflictError
					switch {
					case err == nil && b.Managed:
						managed++
					case errors.As(err, &conflict):
						conflicts++
					default:
						t.Errorf("%+v, %v", b, err)
					}
				})
				if test.owners == passes {
					all.Go(func() { _, _ = js.CreateKeyValue(background(t), share.BucketConfig(want)) })
				}
			}
			all.Wait()
			if managed != test.owners || conflicts != passes-test.owners {
				t.Errorf("%d own it, %d have a conflict", managed, conflicts)
			}
		})
	}
}
