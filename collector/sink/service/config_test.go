package service

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowfleet/flowfleet/collector/config"
)

const shortest = "nats: {urls: [nats://127.0.0.1:4222]}\nclickhouse: {url: 'http://127.0.0.1:8123'}\n"

func TestTheExampleHasTheDefaults(t *testing.T) {
	var whole, short Config
	if problems := config.ParseInto(Example(), &whole); len(problems) > 0 {
		t.Fatal(problems)
	}
	if problems := config.ParseInto([]byte(shortest), &short); len(problems) > 0 {
		t.Fatal(problems)
	}
	whole.FilterSubjects = nil // the example has an empty list
	if diff := cmp.Diff(short, whole); diff != "" {
		t.Error(diff)
	}
}

func TestEachProblemHasItsPlace(t *testing.T) {
	for file, path := range map[string]string{
		"":                                         "nats.urls",
		"clickhouse: {}":                           "clickhouse.url",
		"clickhouse: {url: 'tcp://a:9000'}":        "clickhouse.url",
		"clickhouse: {url: 'http://u:p@a:8123'}":   "clickhouse.url",
		"clickhouse: {url: 'http://a:8123?'}":      "clickhouse.url",
		"clickhouse: {url: 'http://a:8123#'}":      "clickhouse.url",
		"clickhouse: {passwordFile: a}":            "clickhouse.user",
		"clickhouse: {tls: {caFile: a}}":           "clickhouse.tls",
		"clickhouse: {timeout: 1ms}":               "clickhouse.timeout",
		"clickhouse: {database: 'a b'}":            "clickhouse.database",
		"clickhouse: {nonsense: 1}":                "clickhouse.nonsense",
		"stream: a.b":                              "stream",
		"consumer: 'a b'":                          "consumer",
		"refused: {stream: flows}":                 "refused.stream",
		"refused: {subject: 'a.>'}":                "refused.subject",
		"filterSubjects: ['a..b']":                 "filterSubjects[0]",
		"blocks: {maxBytes: 9Mi}":                  "blocks.maxBytes",
		"blocks: {maxBytes: 1Ki}":                  "blocks.maxBytes",
		"blocks: {maxAge: 1m}":                     "blocks.maxAge",
		"workers: 1000":                            "workers",
		"ackWait: 1ms":                             "ackWait",
		"ackWait: 5":                               "ackWait",
		"log: {level: loud}":                       "log.level",
		"http: {address: nowhere}":                 "http.address",
		"nats: {embedded: {storeDir: /tmp/flows}}": "nats.embedded",
	} {
		var c Config
		problems := config.ParseInto([]byte(file), &c)
		found := false
		for _, p := range problems {
			found = found || p.Path == path
			if strings.Contains(p.Message, "u:p@") {
				t.Errorf("a password is repeated: %s", p)
			}
		}
		if !found {
			t.Errorf("%q has the problems %v", file, problems)
		}
	}
}
