// Command natstls makes what it takes to try NATS with TLS and a credentials file: a server, the authority that signed its certificate,
// and a user's credentials. Each run makes them anew.
//
//	go run ./hack/natstls FOLDER
//
// It writes into the folder nats.yaml, to be applied, ca.crt and collector.creds. Keys of the authority, of the operator of NATS and of its
// account are kept nowhere: nothing can be signed with them later.
package main

import (
	_ "embed" // for the manifest
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// host is the server's name in the cluster.
const host = "nats.nats-tls"

//go:embed nats.yaml
var servers string

func main() {
	image := flag.String("image", "docker.io/library/nats:2.12-alpine", "image of the server")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "natstls: name the folder to write into: go run ./hack/natstls FOLDER")
		os.Exit(1)
	}
	if err := run(flag.Arg(0), *image); err != nil {
		fmt.Fprintln(os.Stderr, "natstls:", err)
		os.Exit(1)
	}
}

func run(folder, image string) error {
	files, err := makeFiles(image, time.Now())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("making the folder: %w", err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("writing: %w", err)
		}
	}
	return nil
}

// makeFiles returns the files by name. Certificates are valid for a year.
func makeFiles(image string, now time.Time) (map[string]string, error) {
	authority, certificate, key, err := certificates(now)
	if err != nil {
		return nil, fmt.Errorf("making certificates: %w", err)
	}
	accounts, credentials, err := newAccounts()
	if err != nil {
		return nil, fmt.Errorf("making the account of NATS: %w", err)
	}
	yaml := strings.NewReplacer("IMAGE", image, "ACCOUNTS", indented(accounts), "CERTIFICATE", indented(certificate), "KEY", indented(key)).Replace(servers)
	return map[string]string{"nats.yaml": yaml, "ca.crt": authority, "collector.creds": credentials}, nil
}

// indented as a block of text in the manifest's Secret.
func indented(text string) string {
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}
