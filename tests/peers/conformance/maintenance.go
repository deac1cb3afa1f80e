package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func checkMaintenance(ctx context.Context, c *clientv3.Client) error {
	endpoint := c.Endpoints()[0]
	put, err := c.Put(ctx, "m", "1")
	if err != nil {
		return err
	}
	status, err := c.Status(ctx, endpoint)
	if err != nil {
		return err
	}
	before, err := c.HashKV(ctx, endpoint, put.Header.Revision)
	if err != nil {
		return err
	}
	if _, err = c.Defragment(ctx, endpoint); err != nil {
		return err
	}
	after, err := c.HashKV(ctx, endpoint, put.Header.Revision)
	if err != nil {
		return err
	}
	alarms, err := c.AlarmList(ctx)
	if err != nil {
		return err
	}
	if err := checkSnapshot(ctx, c); err != nil {
		return err
	}
	return first(
		expect("leader", status.Leader, status.Header.MemberId),
		expect("version", status.Version, "3.7.1"),
		expect("applied", status.RaftAppliedIndex > 0 && status.RaftAppliedIndex <= status.RaftIndex, true),
		expect("size", status.DbSize > 0 && status.DbSizeInUse > 0, true),
		expect("errors", len(status.Errors), 0),
		expect("hash over defragment", after.Hash, before.Hash),
		expect("alarms", len(alarms.Alarms), 0),
	)
}

// checkSnapshot reads a whole snapshot: a bbolt file and the SHA-256 of it.
func checkSnapshot(ctx context.Context, c *clientv3.Client) error {
	snapshot, err := c.SnapshotWithVersion(ctx)
	if err != nil {
		return err
	}
	defer snapshot.Snapshot.Close()
	all, err := io.ReadAll(snapshot.Snapshot)
	if err != nil {
		return err
	}
	if len(all) < 2*4096+sha256.Size {
		return fmt.Errorf("a snapshot of %d bytes", len(all))
	}
	file, trailer := all[:len(all)-sha256.Size], all[len(all)-sha256.Size:]
	sum := sha256.Sum256(file)
	magic := []byte{0xED, 0xDA, 0x0C, 0xED}
	return first(
		expect("checksum", bytes.Equal(sum[:], trailer), true),
		expect("whole sectors", len(file)%512, 0),
		expect("bbolt magic", bytes.Equal(file[16:20], magic), true),
		expect("storage version", snapshot.Version, "3.7.0"),
	)
}

func checkCluster(ctx context.Context, c *clientv3.Client) error {
	members, err := c.MemberList(ctx)
	if err != nil {
		return err
	}
	if len(members.Members) != 1 {
		return fmt.Errorf("%d members", len(members.Members))
	}
	if err := c.Sync(ctx); err != nil {
		return err
	}
	one := members.Members[0]
	if one.IsLearner || one.Name == "" || len(one.PeerURLs) == 0 {
		return errors.New("an incomplete member: " + one.String())
	}
	return expect("own id", one.ID, members.Header.MemberId)
}
