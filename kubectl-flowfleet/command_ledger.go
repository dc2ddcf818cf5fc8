package main

import (
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

func newLedgerCommand(c connection) *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "ledger [FLEET]",
		Short: "Show the books of a fleet: what became of every datagram, set and record",
		Long: `ledger shows the books of all collectors of a fleet, and what exporters sent that no collector received. It fails where the
books of a collector that answers do not balance, or where one does not answer.`,
		Args: onlyFleet,
		RunE: func(command *cobra.Command, args []string) error {
			ctx, out := command.Context(), command.OutOrStdout()
			v, err := c.open(ctx, fleetName(args))
			if err != nil {
				return err
			}
			accounts, missing := v.accounts(ctx)
			if asJSON {
				err = json.NewEncoder(out).Encode(append([]ledger.Account{}, accounts...)) // a list also where nobody answers
			} else if len(accounts) > 0 {
				err = ledger.Print(out, accounts)
			}
			// While datagrams arrive, some equations need not hold.
			return errors.Join(append([]error{err, ledger.Imbalances(accounts, ledger.Equation.AtRest)}, missing...)...)
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print the collectors' accounts as JSON")
	return command
}
