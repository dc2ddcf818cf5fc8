package supervise

import (
	"fmt"
	"os/exec"
	"strings"
)

// rules are of the kinds that kube-proxy sets.
const rules = `table ip flowfleet-probe {
	map services { type ipv4_addr . inet_proto . inet_service : verdict; }
	chain nat { type nat hook prerouting priority -100; ip daddr . meta l4proto . th dport vmap @services; ct state new numgen random mod 2 vmap { 0 : accept, 1 : accept }; fib daddr type local accept; }
	chain out { type nat hook postrouting priority 100; masquerade; }
}
`

// Probe tries what a cluster needs of the kernel: mounts, network namespaces with what joins them, rules for packets. It is to be
// called in a process that was started with Flags, with whose end all of it goes.
func Probe(directory string) error {
	if err := prepareMounts(directory); err != nil {
		return err
	}
	s := &supervisor{nodes: map[int]*machine{}}
	if err := s.connect(); err != nil {
		return fmt.Errorf("networks: %w", err)
	}
	return s.router.Do(func() error {
		command := exec.Command("nft", "-f", "-")
		command.Stdin = strings.NewReader(rules)
		out, err := command.CombinedOutput()
		if err != nil {
			return fmt.Errorf("nft: %w\n%s", err, out)
		}
		return nil
	})
}
