package main

import (
	"fmt"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// newAccounts returns the part of the server's configuration with an operator of NATS and an account that has JetStream, and the
// credentials file of a user of that account, as "nsc generate creds" prints it.
func newAccounts() (configuration, credentials string, err error) {
	operator, operatorName, err := pair(nkeys.CreateOperator)
	if err != nil {
		return "", "", err
	}
	_, systemName, err := pair(nkeys.CreateAccount)
	if err != nil {
		return "", "", err
	}
	account, accountName, err := pair(nkeys.CreateAccount)
	if err != nil {
		return "", "", err
	}
	user, userName, err := pair(nkeys.CreateUser)
	if err != nil {
		return "", "", err
	}
	system, flows := jwt.NewAccountClaims(systemName), jwt.NewAccountClaims(accountName)
	system.Name, flows.Name = "SYS", "FLOWS"
	flows.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1, MaxAckPending: -1,
		MemoryMaxStreamBytes: -1, DiskMaxStreamBytes: -1}
	trusted := jwt.NewOperatorClaims(operatorName)
	trusted.Name, trusted.SystemAccount = "trying", systemName
	member := jwt.NewUserClaims(userName)
	member.Name = "collector"
	tokens := make([]string, 4)
	for i, sign := range []func() (string, error){
		func() (string, error) { return trusted.Encode(operator) }, func() (string, error) { return system.Encode(operator) },
		func() (string, error) { return flows.Encode(operator) }, func() (string, error) { return member.Encode(account) },
	} {
		if tokens[i], err = sign(); err != nil {
			return "", "", err
		}
	}
	seed, err := user.Seed()
	if err != nil {
		return "", "", err
	}
	file, err := jwt.FormatUserConfig(tokens[3], seed)
	return fmt.Sprintf("operator: %s\nsystem_account: %s\nresolver: MEMORY\nresolver_preload: {\n  %s: %s\n  %s: %s\n}\n",
		tokens[0], systemName, systemName, tokens[1], accountName, tokens[2]), string(file), err
}

// pair returns a new pair of keys, and its public one.
func pair(create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string, error) {
	keys, err := create()
	if err != nil {
		return nil, "", err
	}
	public, err := keys.PublicKey()
	return keys, public, err
}
