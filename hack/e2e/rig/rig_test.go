package rig

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
)

func TestWhatIsInterruptedOrFailsLeavesNothing(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	for name, test := range map[string]struct {
		ctx     context.Context
		options Options
		want    error
	}{
		"interrupted at the beginning": {ended, Options{Name: "never", Progress: io.Discard}, context.Canceled},
		"no such place":                {t.Context(), Options{Name: "never", Cluster: "moon", Progress: io.Discard}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			t.Setenv("TMPDIR", folder)
			r, err := Up(test.ctx, test.options)
			if r != nil || err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("%v, %v", r, err)
			}
			left, err := os.ReadDir(folder)
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v (%v)", left, err)
			}
		})
	}
}
