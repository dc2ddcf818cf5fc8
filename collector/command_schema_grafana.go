package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/collector/sink/clickhouse"
	"github.com/flowfleet/flowfleet/collector/sink/clickhouse/dashboards"
)

func newSchemaGrafanaCommand() *cobra.Command {
	tables := clickhouse.DefaultTables
	configMap := ""
	command := &cobra.Command{
		Use:   "grafana [DASHBOARD]",
		Short: "Print Grafana's dashboards over ClickHouse's tables",
		Long: `grafana prints a dashboard as Grafana imports it: ` + strings.Join(dashboards.Names(), ", ") + `.

With --config-map it prints all of them as a ConfigMap, as Grafana's sidecar in Kubernetes reads it. Without either it lists them.
They need Grafana's plugin grafana-clickhouse-datasource, version 4.`,
		Example: `  collector schema grafana overview > overview.json
  collector schema grafana --config-map flows-dashboards | kubectl apply -n monitoring -f -`,
		Args: arguments(0, 1, "name one dashboard"),
		RunE: func(command *cobra.Command, names []string) error {
			if err := tables.Check(); err != nil {
				return misuse{err}
			}
			all, err := dashboards.All(tables)
			if err != nil {
				return err
			}
			out := command.OutOrStdout()
			switch {
			case len(names) > 0 && configMap != "":
				return misuse{fmt.Errorf("a ConfigMap has all dashboards: leave %q or --config-map out", names[0])}
			case len(names) > 0:
				i := slices.IndexFunc(all, func(d dashboards.Dashboard) bool { return d.Name == names[0] })
				if i < 0 {
					return misuse{fmt.Errorf("no dashboard %q: there are %s", names[0], strings.Join(dashboards.Names(), ", "))}
				}
				_, err = out.Write(all[i].JSON)
			case configMap != "":
				var b []byte
				if b, err = yaml.Marshal(dashboardsConfigMap(configMap, all)); err == nil {
					_, err = out.Write(b)
				}
			default:
				for _, d := range all {
					if _, err = fmt.Fprintf(out, "%-14s %s\n", d.Name, d.Title); err != nil {
						break
					}
				}
			}
			return err
		},
	}
	command.Flags().StringVar(&tables.Database, "database", tables.Database, "database that holds the tables")
	command.Flags().StringVar(&tables.Cluster, "cluster", "", "the tables are on a cluster (any name): read all its shards, from the tables *_all")
	command.Flags().StringVar(&configMap, "config-map", "", "print all dashboards as a ConfigMap of this name, labelled grafana_dashboard=1")
	return command
}

// dashboardsConfigMap is an object for kubectl; the collector knows no more of Kubernetes than its form.
func dashboardsConfigMap(name string, all []dashboards.Dashboard) map[string]any {
	return map[string]any{"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": name, "labels": map[string]any{"grafana_dashboard": "1"}}, "data": dashboards.Files(all)}
}
