package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

type ledgerFlags struct {
	wait   time.Duration
	asJSON bool
}

func newLedgerCommand() *cobra.Command {
	var flags ledgerFlags
	command := &cobra.Command{
		Use:   "ledger [ADDRESS...]",
		Short: "Show what became of every datagram, set and record, and what exporters sent that nobody received",
		Long: `ledger reads the books of running collectors from their HTTP ports (default: that of this
pod's collector, else localhost:8080) and works out the
equations:

  datagrams  received = decoded + refused                           of each listener and each exporter
  sets       received = decoded + waiting + expired + dropped       of each listener and each exporter
  records    decoded = open + handed to the output                  of each listener
  output     received + recovered = published + waiting + spooled + dropped
  handover   handed by the listeners = received by the output
  exporters  datagrams, sets and records of the listeners = those of the exporters, with others (not told by exporter)

A host name that has several addresses, such as that of a headless Service, stands for all of them. What the collectors that
answer say is shown in any case; where one does not answer, the command names it and fails.

It fails where one does not hold within the waiting time: a batch that is just handed over settles at once. While datagrams
arrive, those of the handover and of all exporters are not judged, since their two sides are not counted at the same moment. The sequences
of exporters are summed over all collectors named, so that a stream spread over several shows no false gap: name the whole
fleet. Units are the protocol's own: flows of NetFlow v5, packets of v9, data records of IPFIX, datagrams of sFlow.`,
		Example: `  collector ledger
  collector ledger 10.0.0.1:8080 10.0.0.2:8080
  kubectl exec -n flows ds/edge-collector -- /collector ledger                              # of one collector
  kubectl exec -n flows ds/edge-collector -- /collector ledger edge-collector-metrics:8080  # of the fleet`,
		Args: arguments(0, -1, "addresses"),
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{ownAddress()}
			}
			return showLedger(command.Context(), flags, args, command.OutOrStdout())
		},
	}
	command.Flags().DurationVar(&flags.wait, "wait", 5*time.Second, "how long the equations have to settle")
	command.Flags().BoolVar(&flags.asJSON, "json", false, "print the collectors' accounts and the fleet's streams as JSON")
	return command
}

// ownAddress is where the collector of this pod, or of this machine, answers.
func ownAddress() string {
	if c, err := config.Load(podConfiguration); err == nil {
		if host, port, err := net.SplitHostPort(c.HTTP.Address); err == nil {
			return net.JoinHostPort(cmp.Or(host, "localhost"), port)
		}
	}
	return "localhost:8080"
}

func showLedger(ctx context.Context, flags ledgerFlags, addresses []string, out io.Writer) error {
	addresses, err := everyAddress(ctx, addresses)
	if err != nil {
		return err
	}
	deadline := time.Now().Add(flags.wait)
	var first []ledger.Account
	for {
		accounts, missing := fetchAccounts(ctx, addresses)
		if len(accounts) == 0 {
			return errors.Join(missing...)
		}
		if first == nil {
			first = accounts
		}
		wrong := ledger.Imbalances(accounts)
		if wrong != nil && time.Now().Before(deadline) && ctx.Err() == nil {
			time.Sleep(200 * time.Millisecond)
			continue
		}
		if ledger.Received(first) != ledger.Received(accounts) {
			wrong = ledger.Imbalances(accounts, ledger.Equation.AtRest) // they need not hold while datagrams arrive
		}
		if flags.asJSON {
			encoder := newJSONEncoder(out)
			encoder.SetIndent("", "  ")
			err = encoder.Encode(struct {
				Collectors []ledger.Account `json:"collectors"`
				Streams    []ledger.Stream  `json:"streams"`
				// Missing says which collectors did not answer, and why.
				Missing []string `json:"missing,omitempty"`
			}{accounts, ledger.Fleet(accounts), texts(missing)})
		} else {
			err = ledger.Print(out, accounts)
		}
		if len(missing) > 0 {
			missing = append(missing, fmt.Errorf("%d of %d collectors do not answer, and their books are missing above: what they received "+
				"counts as MISSED there", len(missing), len(missing)+len(accounts)))
		}
		return errors.Join(append([]error{err, wrong}, missing...)...)
	}
}

// maxAccount bounds an answer: some thousand exporters.
const maxAccount = 64 << 20

// fetchAccounts asks all at once. One that does not answer keeps no others from being shown.
func fetchAccounts(ctx context.Context, addresses []string) (accounts []ledger.Account, missing []error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	answers, failures := make([]ledger.Account, len(addresses)), make([]error, len(addresses))
	var asked sync.WaitGroup
	for i, address := range addresses {
		asked.Go(func() { answers[i], failures[i] = fetchAccount(ctx, address) })
	}
	asked.Wait()
	for i, failure := range failures {
		if failure != nil {
			missing = append(missing, failure)
			continue
		}
		accounts = append(accounts, answers[i])
	}
	return accounts, missing
}

func fetchAccount(ctx context.Context, address string) (a ledger.Account, err error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(address, "/")+"/ledger", nil)
	if err != nil {
		return a, misuse{fmt.Errorf("%q is not an address such as 10.0.0.1:8080", address)}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return a, fmt.Errorf("asking the collector (its http.address): %w", err)
	}
	err = json.NewDecoder(io.LimitReader(response.Body, maxAccount)).Decode(&a)
	_ = response.Body.Close() // it was read
	if response.StatusCode != http.StatusOK || err != nil {
		return a, fmt.Errorf("%s answers with %s, which is not a collector's ledger", address, response.Status)
	}
	return a, nil
}

// everyAddress puts the addresses of a name that has several, such as a headless Service's, in its place.
func everyAddress(ctx context.Context, addresses []string) (all []string, err error) {
	for _, address := range addresses {
		host, port, err := net.SplitHostPort(address)
		if err != nil || host == "" || net.ParseIP(host) != nil || host == "localhost" {
			all = append(all, address)
			continue
		}
		// Of one family: a collector that has addresses of both is one.
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
		if err != nil || len(found) == 0 {
			found, err = net.DefaultResolver.LookupNetIP(ctx, "ip6", host)
		}
		if err != nil {
			return nil, fmt.Errorf("looking up the collectors of %s: %w", address, err)
		}
		for _, one := range found {
			all = append(all, net.JoinHostPort(one.Unmap().String(), port))
		}
	}
	return all, nil
}

// texts are what errors say.
func texts(errs []error) (all []string) {
	for _, err := range errs {
		all = append(all, err.Error())
	}
	return all
}
