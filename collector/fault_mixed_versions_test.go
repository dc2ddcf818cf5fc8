package main

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// previousVariable names the commit of the previous collector, in place of previousCommit.
const (
	previousVariable = "FLOWFLEET_PREVIOUS"
	previousCommit   = "48431ca"
)

// previousCollector builds the previous collector from this repository's history, once for each commit.
func previousCollector(t *testing.T) string {
	t.Helper()
	git := func(args ...string) *exec.Cmd { return exec.Command("git", args...) }
	out, err := git("rev-parse", "--verify", "--quiet", cmp.Or(os.Getenv(previousVariable), previousCommit)+"^{commit}").Output()
	if err != nil {
		t.Skipf("the previous collector cannot be built: no git, or a clone without the history up to %s (%v)", previousCommit, err)
	}
	commit := strings.TrimSpace(string(out))
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("nowhere to keep the previous collector: %v", err)
	}
	binary := filepath.Join(cache, "flowfleet", "previous", commit, "collector")
	if _, err := os.Stat(binary); err == nil {
		return binary
	}
	if err := os.MkdirAll(filepath.Dir(binary), 0o700); err != nil {
		t.Skipf("nowhere to keep the previous collector: %v", err)
	}
	dir := t.TempDir()
	archive := filepath.Join(dir, "source.tar")
	unpack, build := exec.Command("tar", "xf", archive, "-C", dir), exec.Command("go", "build", "-trimpath", "-o", binary+".new", "./collector")
	build.Dir, build.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	archiving := git("archive", "--output="+archive, commit)
	archiving.Dir = ".." // all of the repository
	for _, c := range []*exec.Cmd{archiving, unpack, build} {
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("building the previous collector: %s: %v\n%s", c, err, out)
		}
	}
	if err := os.Rename(binary+".new", binary); err != nil {
		t.Fatal(err)
	}
	return binary
}

// Fault 13: the previous collector and this one share a bucket, both ways round. (Values of a future schema are tested
// beside the bucket: TestWhatANewerCollectorWroteIsLeftAlone.)
func TestPreviousAndCurrentCollectorShareABucket(t *testing.T) {
	t.Parallel()
	previous := previousCollector(t)
	const more = "templateStore: {maxBytes: -1}\noutput: {stream: {maxBytes: -1}, batch: {maxAge: 20ms}}"
	for _, writer := range []string{"previous", "current"} {
		t.Run(writer+" writes", func(t *testing.T) {
			s := natstest.Start(t)
			old := startConfigured(t, "old", configured("old", s.URL(), "", more), func(c *exec.Cmd) { c.Path, c.Args[0] = previous, previous }).awaitReady()
			current := startConfigured(t, "new", configured("new", s.URL(), "", more)).awaitReady()
			a, b := old, current
			if writer == "current" {
				a, b = current, old
			}
			e := newExporter(t, 1)
			e.send(a.port, 0, oldLayout.template())
			e.send(a.port, 1, selectorOptions(512)...)
			natstest.Eventually(t, "the other knows both", func() bool { return b.metric("templates") == 2 && b.metric("sampling_rates") == 1 })
			e.send(b.port, 1, oldLayout.data(1))
			assertNumbers(t, s, 1) // before the change, which may overtake it
			e.send(a.port, 0, newLayout.template())
			natstest.Eventually(t, "the other knows the change", func() bool { return b.metric("templates_restored_total") >= 3 })
			e.send(b.port, 1, newLayout.data(2))
			for _, r := range assertNumbers(t, s, 1, 2) {
				if r.SamplingRate != 512 {
					t.Errorf("the rate is %d", r.SamplingRate)
				}
			}
			// A third one that starts now reads what either wrote.
			c := startConfigured(t, "third", configured("third", s.URL(), "", more)).awaitReady()
			e.send(c.port, 1, newLayout.data(3))
			assertNumbers(t, s, 1, 2, 3)
		})
	}
}
