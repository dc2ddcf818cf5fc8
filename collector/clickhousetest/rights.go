package clickhousetest

import (
	"os"
	"path/filepath"
	"strings"
)

// RestartWith starts the server after Kill, for a user who has these rights alone: "GRANT SELECT ON flowfleet.*".
func (s *Server) RestartWith(grants ...string) {
	s.t.Helper()
	directory := s.t.TempDir()
	users := filepath.Join(directory, "users.xml")
	configuration := filepath.Join(directory, "config.xml")
	for file, text := range map[string]string{
		configuration: "<clickhouse><users_config>" + users + "</users_config></clickhouse>",
		users: "<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users><default><password/><networks><ip>::/0</ip></networks>" +
			"<profile>default</profile><quota>default</quota><grants><query>" + strings.Join(grants, "</query><query>") +
			"</query></grants></default></users></clickhouse>",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	s.t.Setenv(configurationVariable, configuration) // the server's process takes the test's environment
	s.Restart()
}
