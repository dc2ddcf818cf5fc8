package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newLogs(name *string) *cobra.Command {
	var follow bool
	command := &cobra.Command{
		Use: "logs [COMPONENT]", Short: "Print a component's log, or the names of those that have one", Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			p, err := existing(*name)
			if err != nil {
				return err
			}
			if len(arguments) == 0 {
				paths, err := filepath.Glob(p.Log("*"))
				for _, path := range paths {
					fmt.Println(strings.TrimSuffix(filepath.Base(path), ".log"))
				}
				return err
			}
			file, err := os.Open(p.Log(filepath.Base(arguments[0])))
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s has no log: \"logs\" alone lists what has", arguments[0])
			}
			if err != nil {
				return err
			}
			defer func() { _ = file.Close() }()
			for {
				if _, err := io.Copy(os.Stdout, file); err != nil || !follow {
					return err
				}
				select {
				case <-command.Context().Done():
					return nil
				case <-time.After(200 * time.Millisecond):
				}
			}
		},
	}
	command.Flags().BoolVarP(&follow, "follow", "f", false, "print what is added, until interrupted")
	return command
}
