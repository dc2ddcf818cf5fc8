package clickhousetest

import (
	"os"
	"path/filepath"
	"strings"
)

// RestartAsCluster starts the server after Kill as the only one of a cluster, and as each of its shards: where there are two, all rows are read
// twice. It has no Keeper, so that neither ON CLUSTER nor replicated tables work.
func (s *Server) RestartAsCluster(name string, shards int) {
	s.t.Helper()
	configuration := filepath.Join(s.t.TempDir(), "config.xml")
	text := "<clickhouse><remote_servers><" + name + ">" +
		strings.Repeat("<shard><replica><host>localhost</host><port>9000</port></replica></shard>", shards) + "</" + name + "></remote_servers><tcp_port>9000</tcp_port></clickhouse>"
	if err := os.WriteFile(configuration, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.t.Setenv(configurationVariable, configuration) // the server's process takes the test's environment
	s.Restart()
}
