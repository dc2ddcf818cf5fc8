// Package commandtest compares the references of commands in the docs with what the commands say of themselves.
package commandtest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Reference fails a test where a file is not the introduction with a section for each command below root. With update it is written anew.
func Reference(t testing.TB, root *cobra.Command, file, introduction string, update bool) {
	t.Helper()
	var b strings.Builder
	b.WriteString(introduction)
	describeAll(&b, root, root)
	if update {
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if now, err := os.ReadFile(file); err != nil || string(now) != b.String() {
		t.Errorf("%s is not what the commands say (%v): run this test with -update", file, err)
	}
}

// describeAll describes the commands below one, but for those that cobra adds.
func describeAll(b *strings.Builder, root, command *cobra.Command) {
	for _, child := range command.Commands() {
		if !child.Hidden && child.Name() != "help" && child.Name() != "completion" {
			describe(b, root, child)
			describeAll(b, root, child)
		}
	}
}

func describe(b *strings.Builder, root, command *cobra.Command) {
	fmt.Fprintf(b, "\n## %s %s\n", command.Parent().CommandPath(), command.Use)
	text := command.Long
	if text == "" {
		text = command.Short + "."
	}
	fmt.Fprintf(b, "%s\n", strings.ReplaceAll(text, "\n  ", "\n    ")) // what is indented is code
	if command.Example != "" {
		b.WriteString("\n")
		for line := range strings.Lines(command.Example) {
			b.WriteString("  " + line)
		}
		b.WriteString("\n")
	}
	if command.HasAvailableSubCommands() && !command.LocalNonPersistentFlags().HasAvailableFlags() {
		return
	}
	var flags []*pflag.Flag
	collect := func(f *pflag.Flag) {
		if !f.Hidden && root.PersistentFlags().Lookup(f.Name) == nil {
			flags = append(flags, f)
		}
	}
	command.LocalFlags().VisitAll(collect)
	command.InheritedFlags().VisitAll(collect)
	if len(flags) == 0 {
		return
	}
	slices.SortFunc(flags, func(a, b *pflag.Flag) int { return strings.Compare(a.Name, b.Name) })
	b.WriteString("\n| Flag | Default | |\n|---|---|---|\n")
	for _, f := range flags {
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name += ", `-" + f.Shorthand + "`"
		}
		byDefault := ""
		if f.DefValue != "" && f.DefValue != "[]" {
			byDefault = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", name, byDefault, strings.NewReplacer("|", "\\|", "\n", " ", "*", "\\*").Replace(f.Usage))
	}
}
