# What a charity's administrator would have clicked together: a queue, its fields, the accounts, their rights, a token
# for each. Read by rt-setup-database; the particulars come from the JSON file that the environment names.
# Not JSON, which RT configures before it loads it: what answers look like hangs on that.
require JSON::PP;

my $settings = do {
    open my $file, '<:raw', $ENV{VCSE_RT_SETTINGS} or die "settings: $!";
    local $/;
    JSON::PP::decode_json(<$file>);
};
my $queue = $settings->{queue};

our @Queues = ( { Name => $queue, Description => 'Referrals from GP practices' } );

my $order = 0;
our @CustomFields = map {
    my $place = 0;
    my @values = map { { Name => $_, SortOrder => ++$place } } @{ $_->{values} };
    {
        Name      => $_->{name},
        Type      => $_->{type},
        Queue     => [$queue],
        SortOrder => ++$order,
        ( @values ? ( Values => \@values ) : () ),
    }
} @{ $settings->{fields} };

our @Users = map {
    {
        Name         => $_->{name},
        EmailAddress => "$_->{name}\@charity.example",
        Privileged   => 1,
        ( defined $_->{time_zone} ? ( Timezone => $_->{time_zone} ) : () ),
    }
} @{ $settings->{accounts} };

our @ACL = map {
    my $name = $_->{name};
    map { { UserId => $name, Queue => $queue, Right => $_ } } @{ $_->{rights} };
} @{ $settings->{accounts} };

our @Final = (
    sub {
        for my $account ( @{ $settings->{accounts} } ) {
            my $user = RT::User->new( RT->SystemUser );
            $user->Load( $account->{name} );
            die "no user $account->{name}" unless $user->Id;
            my ( $id, $message, $token ) = RT::AuthToken->new( RT->SystemUser )
                ->Create( Owner => $user->Id, Description => 'REST' );
            die "no token for $account->{name}: $message" unless $id;
            open my $file, '>', "$settings->{folder}/$account->{name}.token" or die "token: $!";
            print {$file} $token;
            close $file or die "token: $!";
        }
    }
);

1;
