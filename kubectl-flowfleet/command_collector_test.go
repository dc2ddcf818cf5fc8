package main

import (
	"errors"
	"io"
	"os"
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
