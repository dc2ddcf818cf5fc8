package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// However the demo ends, it says why, no file of it stays, and nothing that it started goes on.
func TestTheDemoEndsCleanlyAndSaysWhyWhenACollectorDoesNotStart(t *testing.T) {
	for name, test := range map[string]struct {
		// program is a script in the collector's place, with the file that it writes its process to; empty for none.
		program   string
		interrupt bool
		want      string
	}{
		"no program":                {"", false, `"make build"`},
		"a program that ends":       {`echo '{"level":"ERROR","msg":"no room"}' >&2; exit 1`, false, "collector a ended before it began"},
		"interrupted as it starts":  {"exec sleep 60", true, `interrupted. Nothing of it is left; "make demo-local" begins again`},
		"interrupted while waiting": {"sleep 60; exit", true, "interrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			place, left := t.TempDir(), t.TempDir()
			t.Setenv("TMPDIR", left)
			binary, started := filepath.Join(place, "collector"), filepath.Join(place, "started")
			if test.program != "" {
				script := "#!/bin/sh\necho $$ > " + started + ".new && mv " + started + ".new " + started + "\n" + test.program + "\n"
				if err := os.WriteFile(binary, []byte(script), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if test.interrupt {
				go func() {
					for !exists(started) && ctx.Err() == nil {
						time.Sleep(5 * time.Millisecond)
					}
					cancel()
				}()
			}
			err := run(ctx, binary, time.Second)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the demo ends with %v, not with %q", err, test.want)
			}
			if files, _ := os.ReadDir(left); len(files) > 0 {
				t.Errorf("%s stays", files[0].Name())
			}
			if text, err := os.ReadFile(started); err == nil {
				group, err := strconv.Atoi(strings.TrimSpace(string(text)))
				if err != nil {
					t.Fatal(err)
				}
				if on := running(t, group); len(on) > 0 {
					t.Errorf("what it started goes on: %s", on)
				}
			}
		})
	}
}

// running are the programs of a process group that have not ended, by /proc/PID/stat (proc_pid_stat(5)).
func running(t *testing.T, group int) (out []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		of := string(text)
		if fields := strings.Fields(of[strings.LastIndexByte(of, ')')+1:]); fields[0] != "Z" && fields[2] == strconv.Itoa(group) {
			out = append(out, of[:strings.LastIndexByte(of, ')')+1])
		}
	}
	return out
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
