// Command conformance runs the official Go client against one server and checks what its users
// rely on: transactions, watches that resume, leases kept alive, locks and elections.
//
// It speaks with the test that started it: the line "RESTART" on standard output asks for the
// server to be killed and started again, a line on standard input says that it is up.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// limit bounds each check; none waits for anything slower than a lease of a few seconds.
const limit = 60 * time.Second

type check struct {
	name string
	run  func(context.Context, *clientv3.Client) error
}

var checks = []check{
	{"kv", checkKV},
	{"pages", checkPages},
	{"txn", checkTxn},
	{"kubernetes", checkKubernetes},
	{"stm", checkSTM},
	{"namespace", checkNamespace},
	{"ordering", checkOrdering},
	{"watch", checkWatch},
	{"watch compacted", checkWatchCompacted},
	{"watch progress", checkWatchProgress},
	{"lease", checkLease},
	{"lease expiry", checkLeaseExpiry},
	{"mutex", checkMutex},
	{"election", checkElection},
	{"maintenance", checkMaintenance},
	{"cluster", checkCluster},
	{"errors", checkErrors},
	{"resume over restart", checkResume},
}

var input = bufio.NewReader(os.Stdin)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: conformance ENDPOINT")
		os.Exit(2)
	}
	failed := 0
	for _, one := range checks {
		if err := runCheck(one, os.Args[1]); err != nil {
			fmt.Printf("FAILED %s: %v\n", one.name, err)
			failed++
			continue
		}
		fmt.Printf("ok %s\n", one.name)
	}
	if failed > 0 {
		os.Exit(1)
	}
}

// runCheck gives each check a client of its own and a key space emptied before it.
func runCheck(one check, endpoint string) error {
	client, err := clientv3.New(clientv3.Config{
		Endpoints:            []string{endpoint},
		DialTimeout:          5 * time.Second,
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 5 * time.Second,
		Logger:               zap.NewNop(),
	})
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if _, err := client.Delete(ctx, "", clientv3.WithPrefix()); err != nil {
		return fmt.Errorf("emptying the store: %w", err)
	}
	return one.run(ctx, client)
}

// restartServer has the test kill the server and start it again.
func restartServer() error {
	fmt.Println("RESTART")
	_, err := input.ReadString('\n')
	return err
}

// expect is the one assertion: what was found must be what is right.
func expect[T comparable](what string, found, right T) error {
	if found != right {
		return fmt.Errorf("%s: %v, not %v", what, found, right)
	}
	return nil
}

// first gives the first error of several assertions.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
