#!/usr/bin/perl
# Stands in for PostgreSQL's server where hundreds of them start: a process of its own with PostgreSQL's command line, process-id file, sockets
# and signals, which knows the answers to what pgd asks a server, and serves no data.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;

if ("@ARGV" eq '--version') { print "postgres (PostgreSQL) 15.99\n"; exit }

$| = 1;
umask 077;
my ($data, %setting);
while (defined(my $option = shift)) {
    if    ($option eq '-D') { $data = shift }
    elsif ($option eq '-c') { my ($name, $value) = split /=/, shift, 2; $setting{$name} = $value }
    else                    { die "FATAL:  unknown option $option\n" }
}
chdir $data or die "FATAL:  $data: $!\n";

# As the real one: never two servers in one folder.
if (open my $other, '<', 'postmaster.pid') {
    my $id = <$other>;
    die "FATAL:  lock file \"postmaster.pid\" already exists\n" if defined $id && $id =~ /^(\d+)/ && $1 != $$ && kill 0, $1;
}
my $socket = "$setting{unix_socket_directories}/.s.PGSQL.$setting{port}";
sub end { unlink 'postmaster.pid', $socket; exit 0 }
$SIG{$_} = \&end for qw(INT TERM QUIT);
write_id('starting');

my @listeners;
if ($setting{listen_addresses} ne '') {
    push @listeners, IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $setting{port}, Listen => 16, ReuseAddr => 1)
        || fail("FATAL:  could not bind port $setting{port}: $!");
}
unlink $socket;
push @listeners, IO::Socket::UNIX->new(Local => $socket, Listen => 16) || fail("FATAL:  could not bind $socket: $!");
write_id('ready   ');

my ($loaded, $select, %client) = (0, IO::Select->new(@listeners));
while (1) {
    # Perl keeps a signal until the next statement: one that comes just before the wait is seen after it.
    for my $ready ($select->can_read(0.05)) {
        if (grep { $_ == $ready } @listeners) {
            my $new = $ready->accept or next;
            $select->add($new);
            $client{$new} = { in => '', out => '', started => 0 };
            next;
        }
        my $state = $client{$ready};
        my $open = sysread($ready, $state->{in}, 65536, length $state->{in}) && speak($state);
        syswrite($ready, $state->{out}) if length $state->{out};
        $state->{out} = '';
        next if $open;
        $select->remove($ready);
        delete $client{$ready};
        close $ready;
    }
}

sub write_id {
    open my $file, '>', 'postmaster.pid' or die "FATAL:  postmaster.pid: $!\n";
    print $file join("\n", $$, $data, time, $setting{port}, $setting{unix_socket_directories}, $setting{listen_addresses}, '0 0', shift), "\n";
    close $file;
}

sub fail {
    print STDERR "@_\n";
    unlink 'postmaster.pid';
    exit 1;
}

# Takes whole messages out of what was read. False when the client has said good-bye.
sub speak {
    my $state = shift;
    while (1) {
        if (!$state->{started}) {
            return 1 if length $state->{in} < 8;
            my ($length, $code) = unpack 'NN', $state->{in};
            return 1 if length $state->{in} < $length;
            substr($state->{in}, 0, $length) = '';
            # Encryption is refused, a request to cancel has nothing to cancel.
            if ($code == 80877103 || $code == 80877104) { $state->{out} .= 'N'; next }
            return 0 if $code == 80877102;
            $state->{started} = 1;
            my %parameter = (server_version => '15.99', server_encoding => 'UTF8', client_encoding => 'UTF8', integer_datetimes => 'on', standard_conforming_strings => 'on', TimeZone => 'UTC');
            $state->{out} .= message('R', pack 'N', 0) . join('', map { message('S', "$_\0$parameter{$_}\0") } sort keys %parameter) . message('K', pack 'NN', $$, 0) . message('Z', 'I');
            next;
        }
        return 1 if length $state->{in} < 5;
        my ($type, $length) = unpack 'aN', $state->{in};
        return 1 if length $state->{in} < $length + 1;
        my $body = substr $state->{in}, 5, $length - 4;
        substr($state->{in}, 0, $length + 1) = '';
        return 0 if $type eq 'X';
        if ($type eq 'S') { $state->{out} .= message('Z', 'I') }
        else              { extended($state, $type, $body) }
    }
}

sub extended {
    my ($state, $type, $body) = @_;
    if ($type eq 'P') {
        $state->{query} = (split /\0/, $body, -1)[1];
        $state->{rows} = answer($state->{query});
        $loaded++ if $state->{query} =~ /pg_reload_conf/;
        $state->{out} .= message('1', '');
    }
    elsif ($type eq 'B') { $state->{out} .= message('2', '') }
    elsif ($type eq 'C') { $state->{out} .= message('3', '') }
    elsif ($type eq 'D') {
        $state->{out} .= message('t', pack 'n', 0) if $body =~ /^S/;
        # Who asks for none of the columns may be told of one.
        my $rows = $state->{rows};
        my $columns = $state->{query} !~ /^\s*(select|show)\b/i ? 0 : @$rows ? @{ $rows->[0] } : 1;
        $state->{out} .= $columns == 0 ? message('n', '') : message('T', pack('n', $columns) . join '', map { "c$_\0" . pack 'NnNnNn', 0, 0, 25, 0xFFFF, 0xFFFFFFFF, 0 } 1 .. $columns);
    }
    elsif ($type eq 'E') {
        my $rows = $state->{rows};
        $state->{out} .= message('D', pack('n', scalar @$_) . join '', map { defined $_ ? pack('N', length $_) . $_ : pack 'N', 0xFFFFFFFF } @$_) for @$rows;
        $state->{out} .= message('C', (@$rows ? 'SELECT ' . @$rows : 'SET') . "\0");
    }
}

sub message { my ($type, $body) = @_; return $type . pack('N', 4 + length $body) . $body }

# The answer to a question, row by row. A command has none, and of what there could be in a database there is nothing here.
sub answer {
    local $_ = shift;
    return [[$setting{cluster_name}]] if /^\s*show cluster_name/;
    return [[$loaded, 'true']] if /pg_reload_conf/;
    return [[$loaded]] if /pg_conf_load_time/;
    return [['0/1000000']] if /pg_last_wal_replay_lsn/;
    # Name, may log in, expires, is needed.
    return [['postgres', 'true', 'false', 'true'], ['shop', 'true', 'false', 'true']] if /from pg_authid/;
    # The databases with their owners, whether those may log in and whether they are copies, then the roles.
    return [['shop', 'shop', 'true', 'false'], [undef, 'postgres', undef, undef], [undef, 'shop', undef, undef]] if /join pg_roles/;
    return [];
}
