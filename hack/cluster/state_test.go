package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/flowfleet/flowfleet/hack/cluster/plan"
)

func TestSupervisorIsKnownByMoreThanItsNumber(t *testing.T) {
	p := plan.Plan{Directory: t.TempDir()}
	if pid := supervisor(p); pid != 0 {
		t.Errorf("none was started, got %d", pid)
	}
	command := exec.Command("sleep", "60")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if err := writeMark(p, command.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if pid := supervisor(p); pid != command.Process.Pid {
		t.Errorf("got %d, want %d", pid, command.Process.Pid)
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait()
	if pid := supervisor(p); pid != 0 {
		t.Errorf("it has ended, got %d", pid)
	}
	// Another process of the same number, started at another time, is not it.
	if err := os.WriteFile(p.Path("supervisor.json"), []byte(`{"pid":1,"start":"987654321"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if pid := supervisor(p); pid != 0 {
		t.Errorf("another process is taken for it: %d", pid)
	}
}

func TestNamesAndChoicesAreChecked(t *testing.T) {
	t.Setenv("FLOWFLEET_CACHE", "/srv/cache")
	for name, good := range map[string]bool{"flowfleet": true, "a": true, "a-1": true, "": false, "../x": false, "A": false, "-a": false} {
		if _, err := directory(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
	t.Setenv("FLOWFLEET_CACHE", "/var/lib/cache")
	if _, err := directory("a"); err == nil {
		t.Error("a cache that nodes cannot see")
	}
	good := plan.Plan{Nodes: 3, ProxyMode: "nftables", Balancer: "bgp"}
	if err := checkChoices(good); err != nil {
		t.Error(err)
	}
	for _, change := range []func(*plan.Plan){
		func(p *plan.Plan) { p.Nodes = 0 },
		func(p *plan.Plan) { p.Nodes = plan.MaxNodes + 1 },
		func(p *plan.Plan) { p.ProxyMode = "ipvs" },
		func(p *plan.Plan) { p.Balancer = "" },
	} {
		p := good
		change(&p)
		if checkChoices(p) == nil {
			t.Errorf("%+v is taken", p)
		}
	}
}
