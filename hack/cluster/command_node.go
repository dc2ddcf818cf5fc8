package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/hack/cluster/supervise"
)

func newNode(name *string) *cobra.Command {
	command := &cobra.Command{Use: "node", Short: "Switch nodes on and off, and pull their cables"}
	for _, action := range [][2]string{
		{"start", "Switch a node on; one that was not there is added"},
		{"kill", "Switch a node off at once, as a power cut does"},
		{"cut", "Pull a node's network cable"},
		{"join", "Put a node's network cable back"},
	} {
		command.AddCommand(&cobra.Command{
			Use: action[0] + " NODE", Short: action[1], Args: cobra.ExactArgs(1),
			RunE: func(command *cobra.Command, arguments []string) error {
				number, err := strconv.Atoi(strings.TrimPrefix(arguments[0], "n"))
				if err != nil {
					return fmt.Errorf("nodes are n1, n2 and so on, not %s", arguments[0])
				}
				p, err := existing(*name)
				if err != nil {
					return err
				}
				return supervise.NewClient(p).Node(command.Context(), number, action[0])
			},
		})
	}
	return command
}
