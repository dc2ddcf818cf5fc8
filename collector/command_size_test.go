package main

import (
	"strings"
	"testing"
)

func TestSizesAreReckonedFromFlowsOrDatagrams(t *testing.T) {
	byFlows, err := execute(t, "", "size", "--exporters", "20", "--flows-per-second", "14000", "--flows-per-datagram", "7")
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"datagrams and their flows": {"--datagrams-per-second", "2000", "--flows-per-datagram", "7"},
		"both rates":                {"--datagrams-per-second", "2000", "--flows-per-second", "14000"},
	} {
		out, err := execute(t, "", append([]string{"size", "--exporters", "20"}, args...)...)
		if err != nil || out != byFlows {
			t.Errorf("%s: %v\n%s\nis not\n%s", name, err, out, byFlows)
		}
	}
	if !strings.Contains(byFlows, "14000 flows/s in datagrams of 7") || !strings.Contains(byFlows, "kind: FlowCollector") {
		t.Error(byFlows)
	}
}

func TestSizesRefuseWhatCannotBe(t *testing.T) {
	for args, want := range map[string]string{
		"size":                                                    "--flows-per-second or --datagrams-per-second is needed",
		"size --flows-per-second 1 --nodes 0":                     "--nodes: from 1 to 5000",
		"size --flows-per-second 1 --name Edge":                   `--name: "Edge"`,
		"size --flows-per-second 1 --name a:b":                    "--name",
		"size --flows-per-second 1 --server nats":                 "--server",
		`size --flows-per-second 1 --server nats://a/"]\n`:        "--server",
		"size --flows-per-second 0":                               "--flows-per-second: from 1 to 1000000000 is possible, not 0",
		"size --datagrams-per-second 0":                           "--flows-per-second: from 1",
		"size --flows-per-second 1 --exporters 1000000000":        "--exporters: from 1 to 1000000 is possible, not 1000000000",
		"size --flows-per-second 1 --keep 0s":                     "--keep: from 1m to 8784h is possible, not 0s",
		"size --flows-per-second 1 --nats-away 10000h":            "--nats-away: from 0s to 168h is possible, not 10000h0m0s",
		"size --flows-per-second 100 --datagrams-per-second 1000": "--flows-per-second 100 and --datagrams-per-second 1000: from 1 to 100 flows in a datagram are possible, not 0.1",
		"size --flows-per-second 100 --datagrams-per-second=-1":   "--datagrams-per-second -1",
		"size 5": "no argument is expected",
	} {
		if out, err := execute(t, "", strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\n%s", args, err, out)
		}
	}
}

func TestSizesOfSmallNetworksAreTextThatCanBeRead(t *testing.T) {
	for args, wants := range map[string][]string{
		"--exporters 1 --flows-per-second 1 --nodes 1": {"For 1 exporter with 8 templates each, 1 flows/s in datagrams of 20, on 1 node with", "The only one gets all flows, and",
			"takes less than 0.1 processors"},
		"--flows-per-second 100 --datagrams-per-second 30": {"in datagrams of 3.333, on 3 nodes"},
		"--flows-per-second 400000 --nodes 2":              {"100% of the flows while one node is away", "takes 0.8 to 1.5 processors"},
	} {
		out, err := execute(t, "", append([]string{"size"}, strings.Fields(args)...)...)
		for _, want := range wants {
			if err != nil || !strings.Contains(out, want) {
				t.Errorf("%s: %v: no %q in\n%s", args, err, want, out)
			}
		}
	}
}
