package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// newCollectorCommands are those that a collector's own program does better, since it can read NATS: they are run in a pod.
func newCollectorCommands(c connection) []*cobra.Command {
	var commands []*cobra.Command
	for _, one := range []struct {
		name, short, more, example string
		arguments                  []string
		// follows is whether it goes on until somebody ends it.
		follows bool
	}{
		{"flows", "Show flows as they are published", "", "  kubectl flowfleet flows edge -- --count 20 --exporter 192.0.2.1", []string{"tail"}, true},
		{"templates", "List what exporters taught: templates and sampling rates", "", "  kubectl flowfleet templates edge", []string{"templates", "list"}, false},
		{"names", "List the names that exporters taught: of interfaces, applications, VRFs", " With \"show\" first behind it, it runs \"collector names show\", which " +
			"prints the names themselves.", "  kubectl flowfleet names edge -- --exporter 192.0.2.1\n  kubectl flowfleet names edge -- show --exporter 192.0.2.1 --table interfaces",
			[]string{"names", "list"}, false},
	} {
		ofPod := &cobra.Command{
			Use:     one.name + " [FLEET] [-- FLAGS]",
			Short:   one.short,
			Long:    fmt.Sprintf("%s runs \"collector %s\" in a pod of the fleet, with the flags behind \"--\".%s It needs the right to create pods/exec.", one.name, strings.Join(one.arguments, " "), one.more),
			Example: one.example,
			RunE: func(command *cobra.Command, args []string) error {
				own, flags := args, []string(nil)
				if dash := command.ArgsLenAtDash(); dash >= 0 {
					own, flags = args[:dash], args[dash:]
				}
				if len(own) > 1 {
					return fmt.Errorf("%q: only the name of a fleet is expected; flags stand behind --", own[1])
				}
				client, err := c.client()
				if err != nil {
					return err
				}
				f, err := client.FlowCollector(command.Context(), fleetName(own))
				if err != nil {
					return err
				}
				run := func(problems io.Writer, arguments ...string) error {
					return client.Run(command.Context(), f, command.OutOrStdout(), problems, arguments...)
				}
				if one.follows {
					err = untilInterrupted(run, command.ErrOrStderr(), withFlags(one.arguments, flags))
				} else {
					err = run(command.ErrOrStderr(), withFlags(one.arguments, flags)...)
				}
				if misplaced := ofKubectl(flags); err != nil && misplaced != "" {
					err = fmt.Errorf("%w: %s is behind --, where flags of \"collector %s\" stand; kubectl's own stand before it", err, misplaced, strings.Join(one.arguments, " "))
				}
				return err
			},
		}
		ofPod.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
			return fmt.Errorf("%w: flags of \"collector %s\" stand behind --, as in kubectl flowfleet %s edge -- --exporter 192.0.2.1", err,
				strings.Join(one.arguments, " "), one.name)
		})
		commands = append(commands, ofPod)
	}
	return commands
}

// untilInputEnds has a program of the collector's image end with its input, which ends with this one. Without it, the program goes on in the
// pod when this one was interrupted.
const untilInputEnds = "--until-input-ends"

// untilInterrupted runs a program of one word and its flags so that it ends with this one, where the collector's image knows how.
func untilInterrupted(run func(problems io.Writer, arguments ...string) error, problems io.Writer, arguments []string) error {
	unless := passUnless{out: problems, begins: "collector: unknown flag: " + untilInputEnds}
	err := run(&unless, slices.Insert(slices.Clone(arguments), 1, untilInputEnds)...)
	if unless.met {
		return run(problems, arguments...)
	}
	return err
}

// passUnless passes everything on, unless it begins with a text.
type passUnless struct {
	out    io.Writer
	begins string
	met    bool
	// passed is whether it begins otherwise.
	passed bool
}

// Write implements io.Writer. What it begins with comes in one piece.
func (p *passUnless) Write(b []byte) (int, error) {
	p.met = p.met || !p.passed && strings.HasPrefix(string(b), p.begins)
	if p.met {
		return len(b), nil
	}
	p.passed = true
	return p.out.Write(b)
}

// ofKubectl is the first flag behind "--" that looks like one of kubectl's own, empty for none. -n with a number is a count.
func ofKubectl(flags []string) string {
	for i, f := range flags {
		name, _, _ := strings.Cut(f, "=")
		switch name {
		case "--namespace", "--context", "--kubeconfig", "--as", "--as-group":
			return f
		case "-n":
			if i+1 == len(flags) {
				return f
			}
			if _, err := strconv.Atoi(flags[i+1]); err != nil {
				return f
			}
		}
	}
	return ""
}

// withFlags are the arguments of the collector's program: a command of two words, such as "names list", changes its second one where the
// flags begin with another word, such as "show".
func withFlags(arguments, flags []string) []string {
	if len(arguments) == 2 && len(flags) > 0 && !strings.HasPrefix(flags[0], "-") {
		return append([]string{arguments[0]}, flags...)
	}
	return append(slices.Clone(arguments), flags...)
}
