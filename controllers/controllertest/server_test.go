package controllertest

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

func TestMain(m *testing.M) { os.Exit(Run(m)) }

func TestServerHasTheKindsAndNamespacesOfTheirOwn(t *testing.T) {
	s := Start(t)
	c := s.Client(t)
	first, second := s.Namespace(t), s.Namespace(t)
	if first == second {
		t.Errorf("two tests share the namespace %s", first)
	}
	object := &v1alpha1.FlowCollector{}
	object.Name, object.Namespace = "a", first
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	for namespace, want := range map[string]int{first: 1, second: 0} {
		list := &v1alpha1.FlowCollectorList{}
		if err := c.List(t.Context(), list, client.InNamespace(namespace)); err != nil || len(list.Items) != want {
			t.Errorf("%s has %d objects (%v), not %d", namespace, len(list.Items), err, want)
		}
	}
	if out := s.Kubectl(t, "", "get", "fcol", "--namespace", first, "--output", "name"); out != "flowcollector.flowfleet.io/a\n" {
		t.Errorf("kubectl printed %q", out)
	}
}

func TestUserHasNoRightsOfItsOwn(t *testing.T) {
	s := Start(t)
	c, err := client.New(s.User(t, "nobody"), client.Options{Scheme: s.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.List(t.Context(), &v1alpha1.FlowCollectorList{}); !apierrors.IsForbidden(err) {
		t.Errorf("a user without roles lists FlowCollectors: %v", err)
	}
}

// abandon, in the environment, makes TestAbandonedServer start a server and wait to be killed.
const abandon = "FLOWFLEET_TEST_ABANDON"

func TestAbandonedServer(t *testing.T) {
	if os.Getenv(abandon) == "" {
		t.Skip("is run by TestServerDoesNotOutliveAKilledTest")
	}
	s := Start(t)
	_, _ = os.Stdout.WriteString("directory=" + s.directory + "\n")
	select {}
}

func TestServerDoesNotOutliveAKilledTest(t *testing.T) {
	Start(t) // skips where there is none to be had
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		t.Skip("processes are found through /proc")
	}
	command := exec.Command(os.Args[0], "-test.run=^TestAbandonedServer$", "-test.timeout=5m")
	command.Env = append(os.Environ(), abandon+"=1")
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	directory := ""
	for lines := bufio.NewScanner(output); directory == "" && lines.Scan(); {
		t.Log(lines.Text())
		_, directory, _ = strings.Cut(lines.Text(), "directory=")
	}
	if n := len(processesOf(directory)); n < 2 {
		t.Errorf("%d processes work in %q, not etcd and the API server", n, directory)
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait()
	natstest.Eventually(t, "the processes end and their directory goes", func() bool {
		_, err := os.Stat(directory)
		return os.IsNotExist(err) && len(processesOf(directory)) == 0
	})
}

// processesOf returns the command lines that mention the directory, but the reaper's.
func processesOf(directory string) (found []string) {
	if directory == "" {
		return nil
	}
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		line, _ := os.ReadFile(path) // none of a process that has just ended
		if text := string(line); strings.Contains(text, directory) && !strings.Contains(text, "\x00reaper\x00") {
			found = append(found, strings.ReplaceAll(text, "\x00", " "))
		}
	}
	return found
}
