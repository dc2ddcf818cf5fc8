package main

import (
	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/schema"
)

func newSchemaCommand() *cobra.Command {
	write := func(use, short string, content []byte) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: arguments(0, 0, ""), RunE: func(command *cobra.Command, _ []string) error {
			_, err := command.OutOrStdout().Write(content)
			return err
		}}
	}
	return group(&cobra.Command{Use: "schema", Short: "Print what readers of the flows need"},
		write("proto", "Print the flow's protobuf message, with the fields that goflow2's has not", schema.Proto()),
		write("descriptor", "Print the same as a FileDescriptorSet (binary)", schema.Descriptor()),
		newSchemaClickHouseCommand(), newSchemaGrafanaCommand())
}
