package main

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/klog/v2"
)

func TestFlagsGoToTheCollectorsCommandAndAWordNamesAnotherOfIt(t *testing.T) {
	for _, test := range []struct{ arguments, flags, want string }{
		{"tail", "--count 20", "tail --count 20"},
		{"names list", "", "names list"},
		{"names list", "--exporter 192.0.2.1", "names list --exporter 192.0.2.1"},
		{"names list", "show --table interfaces", "names show --table interfaces"},
	} {
		if got := strings.Join(withFlags(strings.Fields(test.arguments), strings.Fields(test.flags)), " "); got != test.want {
			t.Errorf("%s with %s: %s, want %s", test.arguments, test.flags, got, test.want)
		}
	}
}

// Who appends -n flows to "flows edge -- --count 1" is told that it stands in the wrong place.
func TestAFlagOfKubectlBehindTheCollectorsIsNamed(t *testing.T) {
	for flags, want := range map[string]string{
		"":                           "",
		"--count 20":                 "",
		"-n 20 --exporter 192.0.2.1": "",
		"--count 1 -n flows":         "-n",
		"--exporter 192.0.2.1 -n":    "-n",
		"--namespace=flows":          "--namespace=flows",
		"show --context lab":         "--context",
	} {
		if got := ofKubectl(strings.Fields(flags)); got != want {
			t.Errorf("%q: %q, want %q", flags, got, want)
		}
	}
}

// An interrupted "flows" is no failure: client-go would log three lines of a closed connection.
func TestWhatLibrariesLogIsNotPrinted(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stderr
	os.Stderr = write
	defer func() { os.Stderr = before }()
	klog.ClearLogger() // a program begins without one, and other tests set one
	quietLibraries()
	utilruntime.HandleError(errors.New("use of closed network connection"))
	_ = write.Close()
	if printed, _ := io.ReadAll(read); len(printed) > 0 {
		t.Errorf("printed: %s", printed)
	}
}

// A program that goes on in the pod when this one was interrupted keeps its place there until the pod goes. An image of an earlier version does
// not know the flag, and runs without.
func TestFlowsEndInThePodWhenTheyAreInterrupted(t *testing.T) {
	for name, test := range map[string]struct {
		says string
		ran  []string
		told string
	}{
		"an image that knows the flag":         {"no flow in 10s\n", []string{"tail --until-input-ends --count 3"}, "no flow in 10s\n"},
		"an image of an earlier version":       {"collector: unknown flag: --until-input-ends\nusage: collector tail [flags]\n", []string{"tail --until-input-ends --count 3", "tail --count 3"}, ""},
		"another flag that no image knows":     {"collector: unknown flag: --foo\n", []string{"tail --until-input-ends --count 3"}, "collector: unknown flag: --foo\n"},
		"an image that says nothing of itself": {"", []string{"tail --until-input-ends --count 3"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var ran []string
			var told strings.Builder
			failed := errors.New("it ended with status 1")
			err := untilInterrupted(func(problems io.Writer, arguments ...string) error {
				ran = append(ran, strings.Join(arguments, " "))
				if len(ran) == 1 {
					_, _ = io.WriteString(problems, test.says)
				}
				return failed
			}, &told, []string{"tail", "--count", "3"})
			if !slices.Equal(ran, test.ran) || told.String() != test.told || !errors.Is(err, failed) {
				t.Errorf("ran %q, told %q: %v", ran, told.String(), err)
			}
		})
	}
}

func TestAFlagInFrontOfTheDashesIsToldWhereItStands(t *testing.T) {
	command := newCommand()
	command.SetArgs([]string{"flows", "edge", "--count", "2"})
	if err := command.Execute(); err == nil || !strings.Contains(err.Error(), "unknown flag: --count") || !strings.Contains(err.Error(), "behind --") {
		t.Errorf("it says: %v", err)
	}
}

func TestProblemsInAPodAreToldOnOneLine(t *testing.T) {
	for said, want := range map[string]string{
		"": "",
		"collector: --window 5s: 12s is the least\n":                                                       "collector: --window 5s: 12s is the least",
		"collector: unknown flag: --x\nusage: collector top [flags]\n\"collector top --help\" says more\n": "collector: unknown flag: --x",
		"collector: one\ntwo\x1b[2J\n":                                                                     "collector: one; two?[2J",
	} {
		if got := words(said).said(); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}
