package build

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPackagesAreCountedAndProblemsKept(t *testing.T) {
	var c compiled
	for _, part := range []string{"k8s.io/api/core/v1\nk8s.io/", "api/apps/v1\n# example.test/bad\n./main.go:3:15: undefined: undefinedName\nunicode\n", "go: cannot"} {
		if _, err := c.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if c.count() != 3 {
		t.Errorf("%d packages, want 3", c.count())
	}
	if got := string(c.said()); got != "# example.test/bad\n./main.go:3:15: undefined: undefinedName\ngo: cannot" {
		t.Errorf("%q", got)
	}
}

func TestAnInterruptBeforeTheCompilerBeginsIsNoPanic(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := &Builder{Modules: t.TempDir(), Cache: t.TempDir()}
	program := Program{Name: "hello", Module: ".", Package: "example.test/hello"}
	err := b.compile(ctx, program, []string{"build", program.Package}, filepath.Join(b.Cache, "hello"))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestProgressMovesAndHasAnEstimate(t *testing.T) {
	for _, test := range []struct {
		packages, all int
		want          string
	}{
		{0, 1000, "0 packages compiled"},
		{250, 1000, "250 packages compiled of 1000 at most: 3m0s more at most"},
		{1000, 1000, "linking"},
		{10, 0, "10 packages compiled"},
	} {
		if got := going("kubelet", time.Minute, test.packages, test.all); !strings.HasPrefix(got, "kubelet: building for 1m0s") || !strings.HasSuffix(got, test.want) {
			t.Errorf("%+v: %s", test, got)
		}
	}
}
