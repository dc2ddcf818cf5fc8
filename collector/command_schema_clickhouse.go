package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/sink/clickhouse"
)

func newSchemaClickHouseCommand() *cobra.Command {
	tables := clickhouse.DefaultTables
	command := &cobra.Command{
		Use:   "clickhouse",
		Short: "Print the statements that make ClickHouse's tables",
		Long: `clickhouse prints the statements that make the tables of flows and their roll-ups. They change nothing where the tables are there.

Each flag of a time says how long rows are kept; 0 is for ever.`,
		Example: `  collector schema clickhouse | clickhouse-client --multiquery
  collector schema clickhouse --database flows --ttl 168h --cluster main`,
		Args: arguments(0, 0, ""),
		RunE: func(command *cobra.Command, _ []string) error {
			if err := tables.Check(); err != nil {
				return misuse{err}
			}
			for _, statement := range tables.Statements() {
				if _, err := fmt.Fprintf(command.OutOrStdout(), "%s;\n\n", statement); err != nil {
					return err
				}
			}
			return nil
		},
	}
	command.Flags().StringVar(&tables.Database, "database", tables.Database, "database that holds the tables")
	command.Flags().StringVar(&tables.Cluster, "cluster", "", "make the tables on all servers of this cluster, replicated within each shard")
	command.Flags().DurationVar(&tables.Retention.Flows, "ttl", tables.Retention.Flows, "keep flows for so long")
	command.Flags().DurationVar(&tables.Retention.OneMinute, "ttl-1m", tables.Retention.OneMinute, "keep roll-ups of 1 minute for so long")
	command.Flags().DurationVar(&tables.Retention.FiveMinutes, "ttl-5m", tables.Retention.FiveMinutes, "keep roll-ups of 5 minutes for so long")
	return command
}
