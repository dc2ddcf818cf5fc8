package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

// ground notes what becomes of a cluster at the end of a demo.
type ground struct {
	reused     bool
	downFails  bool
	left, down int
	said       []string
}

func (g *ground) Say(format string, arguments ...any) {
	g.said = append(g.said, fmt.Sprintf(format, arguments...))
}
func (g *ground) Reused() bool { return g.reused }
func (g *ground) Leave() error { g.left++; return nil }
func (g *ground) Down(ctx context.Context) error {
	g.down++
	if g.downFails {
		return errors.New("a node does not answer")
	}
	return ctx.Err() // one that was interrupted would take down nothing
}

// Each step of the demo may fail, or be interrupted, on a cluster that it brought up and on one that was there. The end says what failed and
// what to type; the exporters are stopped; what was begun is taken down, what was there is left.
func TestTheDemoEndsCleanlyWhereverItFails(t *testing.T) {
	for at := range steps {
		for _, reused := range []bool{false, true} {
			for _, interrupt := range []bool{false, true} {
				for _, downFails := range []bool{false, true} {
					if reused && downFails {
						continue
					}
					t.Run(fmt.Sprintf("step %d, reused %v, interrupted %v, down fails %v", at+1, reused, interrupt, downFails), func(t *testing.T) {
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						g := &ground{reused: reused, downFails: downFails}
						s := &stage{fleet: rig.Fleet{Namespace: "flows", Name: "edge"}}
						running, began := false, []string(nil)
						played := slices.Clone(steps)
						for i := range played {
							played[i].run = func(ctx context.Context, s *stage) error {
								began = append(began, played[i].name)
								if i == 3 {
									running, s.stop = true, func() { running = false }
								}
								if i == at && interrupt {
									cancel()
									return fmt.Errorf("kubectl: %w: signal: killed", ctx.Err())
								}
								if i == at {
									return errors.New("it does not work")
								}
								return nil
							}
						}
						err := finish(ctx, g, s, false, take(ctx, s, played, g.Say))
						if err == nil || running || len(began) != at+1 {
							t.Fatalf("%v; exporters run: %v; began %q", err, running, began)
						}
						want := []string{steps[at].name}
						switch {
						case interrupt:
							want = append(want, "interrupted while")
						default:
							want = append(want, "it does not work")
						}
						switch {
						case reused:
							want = append(want, "What was up before stays", `"make demo" tries again`, `"make demo-down" removes it`)
							if !interrupt {
								want = append(want, strings.ReplaceAll(steps[at].look, "NAMESPACE", "flows"))
							}
						case downFails:
							want = append(want, "a node does not answer", `"make demo-down" removes it`)
						default:
							want = append(want, "Nothing of it is left")
						}
						for _, words := range want {
							if !strings.Contains(err.Error(), words) {
								t.Errorf("the end lacks %q:\n%v", words, err)
							}
						}
						if strings.Contains(err.Error(), "killed") {
							t.Errorf("how programs ended is told to who interrupted them:\n%v", err)
						}
						if (g.down == 1) == reused || (g.left == 1) != reused {
							t.Errorf("taken down %d times, left %d times", g.down, g.left)
						}
					})
				}
			}
		}
	}
}

func TestADemoThatWorksLeavesTheClusterUpUnlessItIsToTakeItDown(t *testing.T) {
	for _, test := range []struct{ reused, down, gone bool }{{false, false, false}, {false, true, true}, {true, false, false}, {true, true, false}} {
		g := &ground{reused: test.reused}
		if err := finish(t.Context(), g, &stage{}, test.down, nil); err != nil || (g.down == 1) != test.gone || (g.left == 1) == test.gone {
			t.Errorf("%+v: %v, taken down %d times, left %d times", test, err, g.down, g.left)
		}
	}
}

// What to type where a step fails is in the fleet's namespace, and each step says what it does.
func TestEachStepHasItsWords(t *testing.T) {
	for _, s := range steps {
		if s.name == "" || s.look == "" || s.run == nil {
			t.Errorf("%+v", s)
		}
	}
}

// The end of a demo that does not come to its first step says what is left too: a cluster that was there, or what could not be taken down.
func TestWhoInterruptsTheInstallationHearsWhatIsLeft(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	killed, away := errors.New("kubectl: signal: killed"), errors.New("the API server does not answer")
	for name, test := range map[string]struct {
		ctx    context.Context
		err    error
		want   []string
		secret string
	}{
		"interrupted":                     {ended, &rig.Unfinished{Cause: killed}, []string{"interrupted while installing", "Nothing of it is left"}, "killed"},
		"interrupted, on one that was up": {ended, &rig.Unfinished{Cause: killed, Reused: true}, []string{"interrupted while installing", "stays as it is now"}, "taken down"},
		"interrupted, and not taken down": {ended, &rig.Unfinished{Cause: killed, Down: away}, []string{"interrupted while installing", "does not answer", `"make demo-down" removes it`}, "Nothing"},
		"interrupted before":              {ended, killed, []string{"interrupted, and what was begun is taken down"}, "killed"},
		"failed":                          {t.Context(), &rig.Unfinished{Cause: away}, []string{"does not answer", "Nothing of it is left"}, "interrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			got := interrupted(test.ctx, test.err).Error()
			for _, words := range test.want {
				if !strings.Contains(got, words) {
					t.Errorf("it lacks %q:\n%s", words, got)
				}
			}
			if strings.Contains(got, test.secret) {
				t.Errorf("it says %q:\n%s", test.secret, got)
			}
		})
	}
}

func TestACleanEndFollowsCtrlCAndAClosedTerminal(t *testing.T) {
	for _, sent := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		ctx, stop := untilEnded(t.Context())
		if err := syscall.Kill(os.Getpid(), sent); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
		stop()
	}
}
