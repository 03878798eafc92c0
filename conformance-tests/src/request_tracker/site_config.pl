# The site configuration of a private Request Tracker: everything from one JSON file, named by the environment.
# RT reads this as Perl and gives it `Set`. What is not set here has RT's own default, which is the point of the thing.
# Not JSON, which RT configures before it loads it: what answers look like hangs on that.
require JSON::PP;

my $settings = do {
    open my $file, '<:raw', $ENV{VCSE_RT_SETTINGS} or die "settings: $!";
    local $/;
    JSON::PP::decode_json(<$file>);
};
my $folder = $settings->{folder};

Set( $rtname,       'charity.example' );
Set( $Organization, 'charity.example' );
Set( $WebDomain,    '127.0.0.1' );
Set( $WebPort,      $settings->{port} );
Set( $WebPath,      '' );
Set( $Timezone,     $settings->{time_zone} );
Set( $DatabaseType, 'SQLite' );
Set( $DatabaseName, "$folder/rt.sqlite" );

# Mail goes into a file that is deleted with the process.
Set( $MailCommand,       'testfile' );
Set( $CorrespondAddress, 'referrals@charity.example' );
Set( $CommentAddress,    'referrals-comment@charity.example' );

Set( $LogToSyslog, undef );
Set( $LogToSTDERR, 'warning' );

# Each request checks its token against a bcrypt hash. At RT's own cost that is a quarter of a second of one core each
# time; the tokens here guard nothing.
Set( $BcryptCost, 4 );

$RT::MasonDataDir    = "$folder/mason";
$RT::MasonSessionDir = "$folder/session";

1;
