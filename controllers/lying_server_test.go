package controllers

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
)

// liar is a server that speaks NATS and answers each request of JetStream as it likes: answer is given the subject, and returns what is
// sent back, empty for nothing.
func liar(t *testing.T, answer func(subject string) string) string {
	t.Helper()
	return natstest.Listen(t, func(c net.Conn) {
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		_, _ = io.WriteString(c, `INFO {"server_id":"liar","version":"2.11.0","proto":1,"headers":true,"max_payload":1048576,"jetstream":true}`+"\r\n")
		r := bufio.NewReader(c)
		subscription := "1"
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			words := strings.Fields(line)
			switch {
			case len(words) == 0:
			case words[0] == "PING":
				_, _ = io.WriteString(c, "PONG\r\n")
			case words[0] == "SUB":
				subscription = words[len(words)-1]
			case words[0] == "PUB" && len(words) == 4, words[0] == "HPUB" && len(words) == 5:
				size, _ := strconv.Atoi(words[len(words)-1])
				_, _ = io.CopyN(io.Discard, r, int64(size)+2)
				if text := answer(words[1]); text != "" {
					_, _ = fmt.Fprintf(c, "MSG %s %s %d\r\n%s\r\n", words[2], subscription, len(text), text)
				}
			}
		}
	})
}

const account = `{"type":"io.nats.jetstream.api.v1.account_info_response","memory":0,"storage":0,"streams":0,"limits":{"max_storage":-1,"max_streams":-1}}`

// streamInfo is of a stream of such a name, with lies in its configuration and state.
func streamInfo(name, configuration, state string) string {
	return fmt.Sprintf(`{"type":"io.nats.jetstream.api.v1.stream_info_response","created":"9999-12-31T23:59:59-12:00","config":{"name":%q,`+
		`"subjects":["flows.>","$KV.x.>"],"retention":"limits","storage":"file"%s},"state":{%s}}`, name, configuration, state)
}

// Whatever a server answers: the conditions are of now, bucket and stream are not called well, and no other fleet is held up.
func TestAServerThatLiesIsNeitherBelievedNorKeepsTheStatusFromBeingWritten(t *testing.T) {
	w := newWorld(t)
	w.start()
	is := func(subject, api string) bool { return strings.HasPrefix(subject, "$JS.API."+api) }
	lies := map[string]func(string) string{
		"nothing": func(string) string { return "" },
		"silent": func(s string) string {
			if is(s, "INFO") {
				return account
			}
			return ""
		},
		"words": func(string) string { return "yes" },
		"null": func(s string) string {
			if is(s, "INFO") {
				return account
			}
			return "null"
		},
		"empty": func(s string) string {
			if is(s, "INFO") {
				return account
			}
			return "{}"
		},
		"deep": func(string) string { return strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9000) },
		"error": func(string) string {
			return `{"error":{"code":-503,"err_code":-1,"description":"` + strings.Repeat("pods is forbidden: ", 900) + `"}}`
		},
		"other": func(s string) string {
			if is(s, "INFO") {
				return account
			}
			return streamInfo("somebody-elses", "", `"messages":1`)
		},
	}
	fleets := make(map[string]*v1alpha1.FlowCollector)
	for name, lie := range lies {
		url := liar(t, lie)
		fleets[name] = w.create(name, func(fc *v1alpha1.FlowCollector) { fc.Spec.NATS.URLs = []string{url} })
	}
	negative := liar(t, func(s string) string {
		name := s[strings.LastIndex(s, ".")+1:]
		if is(s, "INFO") {
			return account
		}
		return streamInfo(name, `,"num_replicas":-2147483648,"max_age":9223372036854775807,"max_msgs_per_subject":-9223372036854775808,"max_bytes":-9223372036854775808`,
			`"messages":18446744073709551615,"bytes":18446744073709551615,"num_subjects":-1,"first_seq":18446744073709551615`)
	})
	negativeFleet := w.create("negative", func(fc *v1alpha1.FlowCollector) {
		fc.Spec.NATS.URLs = []string{negative}
		fc.Spec.Output.Stream.Managed = new(false)
	})
	honest := w.create("honest")
	w.run(honest, 0)
	w.expectReady(honest)
	for name, fc := range fleets {
		w.run(fc, 0)
		natstest.Eventually(t, "StreamReady of "+name+" is False", func() bool {
			w.read(fc)
			c := meta.FindStatusCondition(fc.Status.Conditions, v1alpha1.ConditionStreamReady)
			return c != nil && c.Status == metav1.ConditionFalse
		})
		for _, c := range fc.Status.Conditions {
			if strings.Contains(strings.ToLower(c.Message), "forbidden") {
				t.Errorf("%s says %s", c.Type, c.Message)
			}
		}
		t.Log(name, conditionsOf(fc))
	}
	w.run(negativeFleet, 0)
	natstest.Eventually(t, "the status follows what runs", func() bool {
		w.read(negativeFleet)
		c := meta.FindStatusCondition(negativeFleet.Status.Conditions, v1alpha1.ConditionStreamReady)
		return negativeFleet.Status.Collectors.Ready == 3 && c != nil && c.Status != metav1.ConditionUnknown
	})
	t.Log(conditionsOf(negativeFleet), fmt.Sprintf("%+v", negativeFleet.Status.Stream), fmt.Sprintf("%+v", negativeFleet.Status.Bucket))
}

// Servers that say another thing each time, or stop in the middle of a word, are many: a fleet with an honest one is looked after all the same.
func TestServersThatLieKeepNoOtherFleetWaiting(t *testing.T) {
	w := newWorld(t)
	startOperator(w, w.s, w.namespace, operatorOptions{looks: jetstream.ProberOptions{Interval: 200 * time.Millisecond}})
	var turn atomic.Uint64
	moving := func(s string) string { // another leader, another age, another state
		if strings.HasPrefix(s, "$JS.API.INFO") {
			return account
		}
		name, n := s[strings.LastIndex(s, ".")+1:], turn.Add(1)
		return fmt.Sprintf(`{"type":"io.nats.jetstream.api.v1.stream_info_response","created":"20%02d-01-01T00:00:00Z","ts":"20%02d-01-01T00:00:00Z","config":{"name":%q,"subjects":["flows.>"],`+
			`"retention":"limits","storage":"file","num_replicas":%d},"cluster":{"name":"c","leader":"n%d","replicas":[{"name":"n%d","current":%t,"active":-1,"lag":18446744073709551615}]},`+
			`"state":{"messages":%d,"bytes":%d,"first_seq":%d,"last_seq":%d,"consumer_count":-1}}`, n%90+10, (n+50)%90+10, name, n%5, n%3, n%2, n%2 == 0, n*7919%1000, n*104729, n*7919%1000, n%10)
	}
	half := func(t *testing.T) string { // says that more comes than does
		return natstest.Listen(t, func(c net.Conn) {
			defer func() { _ = c.Close() }()
			_, _ = io.WriteString(c, `INFO {"server_id":"liar","version":"2.11.0","proto":1,"headers":true,"max_payload":1048576,"jetstream":true}`+"\r\nPONG\r\nMSG x 1 100000\r\n{\"type\":")
			_, _ = io.Copy(io.Discard, c)
		})
	}
	var liars []*v1alpha1.FlowCollector
	for i := range 24 {
		var url string
		switch i % 3 {
		case 0:
			url = liar(t, moving)
		case 1:
			url = half(t)
		default:
			url = natstest.Listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
		}
		liars = append(liars, w.create(fmt.Sprintf("liar-%d", i), func(fc *v1alpha1.FlowCollector) {
			fc.Spec.NATS.URLs = []string{url}
			fc.Spec.Output.Stream.Managed = new(i%2 == 0)
			fc.Spec.Output.Consumers = []v1alpha1.Consumer{{Name: "reader"}}
		}))
	}
	honest := w.create("honest")
	w.run(honest, 0)
	w.expectReady(honest)
	for i := range 3 {
		image := fmt.Sprintf("example.com/flowfleet:%d", i)
		change(w, honest, func(fc *v1alpha1.FlowCollector) { fc.Spec.Collector.Image = image })
		natstest.Eventually(t, "the change is applied", func() bool { return w.imageOf(honest) == image })
	}
	w.run(honest, 0)
	w.expectReady(honest)
	for _, fc := range liars {
		w.read(fc)
		c := meta.FindStatusCondition(fc.Status.Conditions, v1alpha1.ConditionReady)
		if c == nil || c.Status == metav1.ConditionTrue {
			t.Errorf("%s is Ready: %s", fc.Name, conditionsOf(fc))
		}
	}
}
