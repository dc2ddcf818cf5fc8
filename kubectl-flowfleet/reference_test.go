package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write docs/kubectl-flowfleet-commands.md anew")

// The reference in the docs is what the commands say of themselves: go test ./kubectl-flowfleet -run Reference -update
func TestTheReferenceInTheDocsIsWhatTheCommandsSay(t *testing.T) {
	const file = "../docs/kubectl-flowfleet-commands.md"
	var b strings.Builder
	b.WriteString("# Commands of kubectl flowfleet\n\nGenerated from the commands themselves. All take kubectl's own flags, too. " +
		"What they are for stands in [kubectl flowfleet](kubectl-flowfleet.md).\n")
	for _, command := range newCommand().Commands() {
		if command.Name() != "help" && command.Name() != "completion" {
			describe(&b, command)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if now, err := os.ReadFile(file); err != nil || string(now) != b.String() {
		t.Errorf("%s is not what the commands say (%v): run this test with -update", file, err)
	}
}

func describe(b *strings.Builder, command *cobra.Command) {
	fmt.Fprintf(b, "\n## kubectl flowfleet %s\n", command.Use)
	text := command.Long
	if text == "" {
		text = command.Short + "."
	}
	fmt.Fprintf(b, "%s\n", text)
	if command.Example != "" {
		b.WriteString("\n")
		for line := range strings.Lines(command.Example) {
			b.WriteString("  " + line)
		}
		b.WriteString("\n")
	}
	if !command.HasAvailableLocalFlags() {
		return
	}
	b.WriteString("\n| Flag | Default | |\n|---|---|---|\n")
	command.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name += ", `-" + f.Shorthand + "`"
		}
		byDefault := ""
		if f.DefValue != "" && f.DefValue != "[]" {
			byDefault = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", name, byDefault, strings.ReplaceAll(f.Usage, "|", "\\|"))
	})
}
